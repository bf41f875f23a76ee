import ArgumentParser
import DPQ

/// `dpq bench lookup`.
struct BenchLookupCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lookup", abstract: "Time looking rows of a compressed table up.",
    discussion: """
      The ids are drawn as words occur in text (Zipf's law), frequent ones scattered over the table. One run looks all \
      of them up, a batch after another into the same memory; several threads are callers of their own.
      """)

  @Option(
    help: ArgumentHelp("Compressed table; made from the seed by default.", valueName: "file"),
    completion: .file(extensions: ["dpq"]))
  var input: String?
  @Option(help: ArgumentHelp("Rows to look up at once.", valueName: "n"))
  var batch = 1024
  @Option(help: ArgumentHelp("Rows looked up in a run (default: a million, or a batch).", valueName: "n"))
  var count: Int?
  @Option(
    help: ArgumentHelp("Row numbers to look up in place of drawn ones: .npy, int64.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var ids: String?
  @Option(help: ArgumentHelp("Rows to make (default: 200000).", valueName: "n"))
  var rows: Int?
  @Option(help: ArgumentHelp("Values of a row to make (default: 300).", valueName: "n"))
  var dimension: Int?
  @Option(help: ArgumentHelp("Groups of a row to make (default: 50).", valueName: "n"))
  var groups: Int?
  @Option(help: ArgumentHelp("Codewords of a group to make (default: 256).", valueName: "n"))
  var codes: Int?
  @Option(help: ArgumentHelp("Seed of what is made.", valueName: "n"))
  var seed: UInt64 = 1
  @Option(
    help: ArgumentHelp("File to keep the made table in.", valueName: "file"), completion: .file(extensions: ["dpq"]))
  var tableOut: String?
  @Option(
    help: ArgumentHelp("Rows of all ids to write: .npy, float32.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var rowsOut: String?
  @OptionGroup var timing: BenchRunArguments

  func validate() throws {
    let sizes = [
      ("batch", batch), ("count", count), ("rows", rows), ("dimension", dimension), ("groups", groups),
      ("codes", codes),
    ]
    for (name, value) in sizes where !(1...1_000_000_000).contains(value ?? 1) {
      throw ValidationError("--\(name) takes 1 to 1000000000")
    }
    guard input == nil || (tableOut == nil && [rows, dimension, groups, codes].allSatisfy { $0 == nil }) else {
      throw ValidationError(
        "--rows, --dimension, --groups, --codes and --table-out are for a made table: leave them out with --input")
    }
    guard ids == nil || count == nil else {
      throw ValidationError("--count is for drawn row numbers: leave it out with --ids")
    }
  }

  func run() throws {
    try timing.check(rowsOut, inputs: [input, ids])
    try timing.check(tableOut, inputs: [ids])
    let table = try openTable()
    let ids =
      try self.ids.map { (path) throws(DPQError) in try NPYArray.integers(path) }
      ?? KernelBenchmark.zipfIDs(count ?? max(1 << 20, batch), rows: table.rows, seed: seed)
    let times = try KernelBenchmark.lookup(
      table, ids: ids, batch: batch, threads: timing.threads, repeats: timing.repeats)
    if let rowsOut { try write(table, ids, to: rowsOut) }
    let rowBytes = table.tiers[0].layout.rowBytes + (table.metric == .cosine ? 1 : 0)
    try BenchResult(
      kernel: "lookup", times: times, rows: ids.count, layout: table.tiers[0].layout, operations: nil,
      bytes: Double(ids.count) * Double(4 * table.dimension + rowBytes), threads: timing.threads,
      more: [("batch", .integer(batch)), ("table_rows", .integer(table.rows))]
    ).print(timing.report)
  }

  private func openTable() throws(DPQError) -> CompressedTable {
    if let input { return try CompressedTable(path: input) }
    let layout = try CodeLayout(dimension: dimension ?? 300, groups: groups ?? 50, codes: codes ?? 256)
    let model = try KernelBenchmark.model(layout, rows: rows ?? 200_000, seed: seed)
    guard let tableOut else { return try model.openTemporarily() }
    _ = try model.write(to: tableOut, replacing: timing.force)
    return try CompressedTable(path: tableOut)
  }

  private func write(_ table: borrowing CompressedTable, _ ids: [Int], to path: String) throws(DPQError) {
    var writer = try TableWriter(
      path: path, format: .npy, rows: ids.count, dimension: table.dimension, vocabulary: nil, replacing: timing.force)
    for first in stride(from: 0, to: ids.count, by: 4096) {
      let part = Array(ids[first..<min(first + 4096, ids.count)])
      var rows = [Float](repeating: 0, count: part.count * table.dimension)
      var span = rows.mutableSpan
      try table.lookup(part.span, into: &span)
      try writer.write(rows.span)
    }
    try writer.finish()
  }
}
