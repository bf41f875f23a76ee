/// Writes a table to a file in blocks of rows, so that no copy of it is needed; the file appears when it is complete.
public struct TableWriter: ~Copyable {
  private var file: AtomicFile
  private let path: String
  private let format: TableFormat
  private let rows: Int
  private let dimension: Int
  private let vocabulary: Vocabulary?
  private var rowsWritten = 0

  /// Starts the file.
  ///
  /// Formats without words (``TableFormat/holdsWords``) leave `vocabulary` out. In formats with words, a table without
  /// any gets the row numbers as words.
  ///
  /// - Parameters:
  ///   - path: where the table will be; see ``finish()``.
  ///   - format: one that is writable (``TableFormat/isWritable``).
  ///   - rows: number of rows that will come.
  ///   - dimension: values of a row.
  ///   - vocabulary: one word a row, or `nil`.
  ///   - replacing: whether an existing file may be replaced.
  /// - Throws: `invalidArgument` for a format that is only read, counts it cannot hold, or a word it cannot hold
  ///   (word2vec binary: no spaces; every format with words: none that is empty or has a line break);
  ///   `cannotCreateOutput`.
  public init(
    path: String, format: TableFormat, rows: Int, dimension: Int, vocabulary: Vocabulary?, replacing: Bool
  ) throws(DPQError) {
    guard format.isWritable else {
      let writable = TableFormat.allCases.filter(\.isWritable).map(\.rawValue).joined(separator: ", ")
      throw DPQError(.invalidArgument, "\(format.rawValue) cannot be written: choose one of \(writable)")
    }
    guard rows > 0, dimension > 0 else {
      throw DPQError(.invalidArgument, "a table of \(rows) × \(dimension) cannot be written")
    }
    if format == .fbin || format == .fvecs {
      guard rows <= UInt32.max, dimension <= Int32.max else {
        throw DPQError(.invalidArgument, "\(format.rawValue) cannot hold \(rows) × \(dimension): choose npy")
      }
    }
    if let vocabulary {
      guard vocabulary.count == rows else {
        throw DPQError(.invalidArgument, "\(vocabulary.count) words do not fit \(rows) rows")
      }
      if format.holdsWords { try Self.check(vocabulary, format) }
    }
    var file = try AtomicFile(path: path, replacing: replacing)
    switch format {
    case .npy: try file.write(NPYHeader.bytes(shape: [rows, dimension]).span)
    case .safetensors: try file.write(SafetensorsTable.header(rows: rows, dimension: dimension).span)
    case .word2vecText, .fastTextVec, .word2vecBinary: try file.write("\(rows) \(dimension)\n")
    case .fbin: try file.write([UInt32(rows).littleEndian, UInt32(dimension).littleEndian].span)
    case .glove, .fvecs, .npz, .fastTextBin: break
    }
    self.file = file
    self.path = path
    self.format = format
    self.rows = rows
    self.dimension = dimension
    self.vocabulary = vocabulary
  }

  /// Writes the next rows.
  ///
  /// - Parameter values: whole rows, row-major: a multiple of `dimension` values.
  /// - Throws: `invalidArgument` for parts of rows or more rows than announced; `inputOutput`.
  public mutating func write(_ values: Span<Float>) throws(DPQError) {
    let (count, rest) = values.count.quotientAndRemainder(dividingBy: dimension)
    guard rest == 0, count <= rows - rowsWritten else {
      throw DPQError(.invalidArgument, "\(values.count) values do not fit the \(rows - rowsWritten) rows still to come")
    }
    switch format {
    case .npy, .safetensors, .fbin, .npz, .fastTextBin: try file.write(values)
    case .fvecs:
      for row in 0..<count {
        try file.write([Int32(dimension).littleEndian].span)
        try file.write(values.extracting(row * dimension..<(row + 1) * dimension))
      }
    case .word2vecBinary:
      for row in 0..<count {
        try file.write((word(rowsWritten + row) + [0x20]).span)
        try file.write(values.extracting(row * dimension..<(row + 1) * dimension))
        try file.write([UInt8(ascii: "\n")].span)
      }
    case .word2vecText, .fastTextVec, .glove:
      var line: [UInt8] = []
      for row in 0..<count {
        line.removeAll(keepingCapacity: true)
        line += word(rowsWritten + row)
        for column in 0..<dimension {
          line.append(0x20)
          // The shortest text that reads back as the same float.
          line.append(contentsOf: values[row * dimension + column].description.utf8)
        }
        line.append(UInt8(ascii: "\n"))
        try file.write(line.span)
      }
    }
    rowsWritten += count
  }

  /// Puts the file under its name.
  ///
  /// - Throws: `invalidArgument` where rows are missing; `cannotCreateOutput`, `inputOutput`. Without this call, or
  ///   when it throws, whatever stood under the name before stays.
  public consuming func finish() throws(DPQError) {
    guard rowsWritten == rows else {
      throw DPQError(.invalidArgument, "\(rowsWritten) of \(rows) rows were written", .init(file: path))
    }
    try file.commit()
  }

  private func word(_ row: Int) -> [UInt8] {
    guard let vocabulary else { return Array(String(row).utf8) }
    return vocabulary.bytes.span.array(vocabulary.range(row))
  }

  /// Refuses words that would not come back from the file as they are.
  private static func check(_ vocabulary: Vocabulary, _ format: TableFormat) throws(DPQError) {
    let bytes = vocabulary.bytes.span
    for row in 0..<vocabulary.count {
      let word = bytes.extracting(vocabulary.range(row))
      let problem: String?
      if word.count == 0 {
        problem = "is empty"
      } else if (0..<word.count).contains(where: { word[$0] == 0x0A }) {
        problem = "has a line break"
      } else if format == .word2vecBinary {
        problem = word.firstIndex(of: 0x20) != nil ? "has a space" : nil
      } else {
        problem = TextRow.problem(withWord: word)
      }
      if let problem {
        throw DPQError(
          .invalidArgument,
          "the word \(vocabulary[row]) \(problem), which \(format.rawValue) cannot hold: "
            + "write npy or safetensors, or rename it", .init(row: row))
      }
    }
  }
}

extension EmbeddingTable {
  /// Writes the table as float32; the file appears when it is complete.
  ///
  /// - Throws: as ``TableWriter``.
  public func write(to path: String, format: TableFormat, replacing: Bool) throws(DPQError) {
    var writer = try TableWriter(
      path: path, format: format, rows: rows, dimension: dimension, vocabulary: vocabulary, replacing: replacing)
    let block = max(1, min(rows, (1 << 18) / dimension))
    var values = [Float](repeating: 0, count: block * dimension)
    for first in stride(from: 0, to: rows, by: block) {
      let count = min(block, rows - first)
      if count < block { values.removeLast((block - count) * dimension) }
      var span = values.mutableSpan
      try read(first: first, count: count, into: &span)
      try writer.write(values.span)
    }
    try writer.finish()
  }
}
