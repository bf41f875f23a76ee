import DPQ
import DPQTasks

/// Writing a plain table, from a compressed one or another plain one.
struct TableExport {
  let output: String
  let format: TableFormat
  let force: Bool
  let threads: Int
  let report: ReportArguments

  /// The format asked for, or the one the name of the output stands for.
  static func format(_ asked: TableFormat?, for output: String) throws(DPQError) -> TableFormat {
    if let format = asked ?? TableFormat(writingTo: output) { return format }
    throw DPQError(
      .invalidArgument,
      "the name does not tell a format: end it in .npy, .safetensors, .txt, .bin or .fbin, or say --format",
      .init(file: output))
  }

  /// Writes the rows a compressed table stands for, a block at a time.
  func run(_ table: borrowing CompressedTable) throws(DPQError) {
    var bar = ProgressBar(quiet: report.quiet)
    let rows = table.rows
    let dimension = table.dimension
    var writer = try TableWriter(
      path: output, format: format, rows: rows, dimension: dimension, vocabulary: table.vocabulary(), replacing: force)
    let block = max(1, min(rows, (1 << 20) / dimension))
    var values = [Float](repeating: 0, count: block * dimension)
    for first in stride(from: 0, to: rows, by: block) {
      let count = min(block, rows - first)
      // The last block may be shorter.
      values.removeLast(values.count - count * dimension)
      var span = values.mutableSpan
      try table.read(first: first, count: count, into: &span, threads: threads)
      try writer.write(values.span)
      bar.update("decode", fraction: Double(first + count) / Double(rows))
    }
    try writer.finish()
    _ = consume bar
    try tell(rows: rows, dimension: dimension, hadWords: table.hasVocabulary)
  }

  /// Writes a plain table.
  func run(_ table: EmbeddingTable) throws(DPQError) {
    try table.write(to: output, format: format, replacing: force)
    try tell(rows: table.rows, dimension: table.dimension, hadWords: table.vocabulary != nil)
  }

  private func tell(rows: Int, dimension: Int, hadWords: Bool) throws(DPQError) {
    let bytes = OutputFile.size(of: output)
    let loss = hadWords && !format.holdsWords ? ", without the words: the format holds none" : ""
    try report.print(
      .object([
        ("rows", .integer(rows)), ("dimension", .integer(dimension)), ("format", .string(format.rawValue)),
        ("file_bytes", .integer(bytes)),
      ]),
      "\(output): \(Format.grouped(rows)) rows x \(dimension), \(format.rawValue), \(ByteSize.text(bytes))\(loss)\n")
  }
}
