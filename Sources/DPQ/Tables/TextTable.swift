/// The first line of a word2vec file: `rows dimension`.
struct TextHeader {
  let rows: Int
  let dimension: Int
  /// Bytes of the line with its `\n`.
  let byteCount: Int

  /// The header at the front of `window`, or `nil` where the first line is something else.
  init?(_ window: Span<UInt8>) {
    let front = window.extracting(0..<min(window.count, 64))
    let end = front.firstIndex(of: 0x0A) ?? front.count
    let content = TextRow.contentEnd(front.extracting(0..<end))
    guard let space = front.firstIndex(of: 0x20), space < content,
      let rows = Self.count(front.extracting(0..<space)),
      let dimension = Self.count(front.extracting(space + 1..<content))
    else { return nil }
    // Without an end of line these are digits that may go on.
    guard end < front.count || window.count < 64 else { return nil }
    self.rows = rows
    self.dimension = dimension
    byteCount = min(end + 1, window.count)
  }

  private static func count(_ text: Span<UInt8>) -> Int? {
    guard text.count > 0, (0..<text.count).allSatisfy({ text[$0] &- 0x30 < 10 }) else { return nil }
    return Int(text.text(0..<text.count))
  }
}

/// Reads word2vec text, GloVe text and fastText's `.vec`.
enum TextTable {
  /// Bytes at the front of a file that its format and dimension are told from.
  static let sampleBytes = 1 << 18

  /// - Throws: `malformedInput` for ragged rows or counts that do not agree, `truncatedInput`, `outOfMemory`.
  static func read(
    _ stream: inout ByteStream, hasHeader: Bool, storedBytes: Int?
  ) throws(DPQError) -> EmbeddingTable {
    var announced: Int?
    var dimension = 0
    if hasHeader, let header = TextHeader(stream.window) {
      _ = try TableShape.bytes(rows: header.rows, dimension: header.dimension)
      announced = header.rows
      dimension = header.dimension
      stream.skip(header.byteCount)
    } else {
      dimension = Self.dimension(of: stream.window) ?? 0
    }
    guard dimension > 0, dimension < ByteStream.capacity / 2 else {
      throw DPQError(.malformedInput, "rows of \(dimension) values are not possible in a text table", .init(line: 1))
    }
    let firstLine = hasHeader ? 2 : 1
    var values = GrowableMemory()
    var words = VocabularyBuilder()
    while let count = try stream.findLine() {
      let row = words.count
      if row == announced || TextRow.contentEnd(stream.window.extracting(0..<count)) == 0 {
        // Empty lines may follow the last row, nothing else.
        try skipEmptyLines(&stream, row: row, line: firstLine + row, announced: announced)
        break
      }
      // A line of n numbers has at least 2n characters: no memory for what cannot be there.
      guard count >= 2 * dimension else {
        let numbers = TextRow.trailingNumbers(stream.window.extracting(0..<count)).numbers
        throw try ragged(&stream, count, numbers: numbers, dimension: dimension, row: row, line: firstLine + row)
      }
      let output = try values.extend(by: 4 * dimension)
      switch TextRow.parse(stream.window.extracting(0..<count), dimension: dimension, into: output) {
      case .row(let wordBytes): words.append(stream.window, 0..<wordBytes)
      case .ragged(let numbers):
        throw try ragged(&stream, count, numbers: numbers, dimension: dimension, row: row, line: firstLine + row)
      }
      stream.skipLine(count)
    }
    if let announced, words.count < announced {
      throw DPQError(
        .truncatedInput, "the first line announces \(announced) rows, the file has \(words.count): it is incomplete",
        .init(line: firstLine + words.count, byte: stream.position))
    }
    guard words.count > 0 else { throw DPQError(.malformedInput, "the table has no rows") }
    let rows = words.count
    return EmbeddingTable(
      storage: values.share(), rows: rows, dimension: dimension, vocabulary: words.vocabulary(),
      sourceBytes: storedBytes ?? stream.position)
  }

  /// Numbers of a row, told from the first lines of a file without header: what most of them agree on, so that
  /// neither a word that is a number nor one damaged line decides. `nil` where the lines are no rows.
  static func dimension(of window: Span<UInt8>) -> Int? {
    var votes: [Int: Int] = [:]
    var start = 0
    var lines = 0
    while start < window.count, lines < 100 {
      let newline = window.firstIndex(of: 0x0A, from: start)
      // A line cut off by the window tells nothing, unless it is all there is.
      if newline == nil && lines > 0 { break }
      let end = newline ?? window.count
      let (numbers, fields) = TextRow.trailingNumbers(window.extracting(start..<end))
      let count = min(numbers, fields - 1)
      if count > 0 { votes[count, default: 0] += 1 }
      lines += 1
      start = end + 1
    }
    guard let best = votes.values.max(), 2 * votes.values.reduce(0, +) > lines else { return nil }
    // Of two equally good answers the larger: the other lines are then too short, an error, and not misread in silence.
    return votes.filter { $0.value == best }.keys.max()
  }

  private static func skipEmptyLines(
    _ stream: inout ByteStream, row: Int, line: Int, announced: Int?
  ) throws(DPQError) {
    var line = line
    while let count = try stream.findLine() {
      guard TextRow.contentEnd(stream.window.extracting(0..<count)) == 0 else {
        let message =
          row == announced ? "a row follows the \(row) that the first line announces" : "an empty line stands before it"
        throw DPQError(.malformedInput, message + ": repair the file", .init(line: line))
      }
      stream.skipLine(count)
      line += 1
    }
  }

  /// The error for a line with the wrong number of numbers; at the end of a file that stops within a line, it is
  /// cut off.
  private static func ragged(
    _ stream: inout ByteStream, _ count: Int, numbers: Int, dimension: Int, row: Int, line: Int
  ) throws(DPQError) -> DPQError {
    try stream.fill(min(count + 1, ByteStream.capacity))
    let isCut = stream.window.count <= count
    return DPQError(
      isCut ? .truncatedInput : .malformedInput,
      "the row has \(numbers) numbers, the table \(dimension): \(isCut ? "the file is incomplete" : "repair the line")",
      .init(row: row, line: line))
  }
}
