/// Reads word2vec's binary format: a line `rows dimension`, then for each row the word, a space and the float32 values,
/// with or without a `\n` after them.
enum Word2VecBinary {
  /// No word is longer; more bytes without a space mean that the rows are not where they should be.
  private static let longestWord = 1 << 16

  /// - Throws: `malformedInput`, `truncatedInput`, `outOfMemory`.
  static func read(
    _ stream: inout ByteStream, contentBytes: Int?, storedBytes: Int?
  ) throws(DPQError) -> EmbeddingTable {
    guard let header = TextHeader(stream.window) else {
      throw DPQError(.malformedInput, "the first line is not `rows dimension`", .init(line: 1))
    }
    let bytes = try TableShape.bytes(rows: header.rows, dimension: header.dimension)
    // A word may be empty, its space may not.
    let least = header.byteCount + bytes + header.rows
    if let contentBytes, contentBytes < least {
      throw TableShape.truncated(rows: header.rows, dimension: header.dimension, need: least, have: contentBytes)
    }
    stream.skip(header.byteCount)
    var values = GrowableMemory()
    var words = VocabularyBuilder()
    for row in 0..<header.rows {
      try skipNewlines(&stream)
      var length = 0
      while true {
        try stream.fill(length + 1)
        let available = stream.window.count
        while length < available && stream.window[length] != 0x20 { length += 1 }
        if length < available { break }
        guard length < longestWord else {
          throw DPQError(
            .malformedInput, "no space ends the word: the values before it have another dimension, or are damaged",
            .init(row: row, byte: stream.position))
        }
        try stream.fill(length + 1)
        if stream.window.count == available {
          throw incomplete(header, row: row, byte: stream.position + available)
        }
      }
      words.append(stream.window, 0..<length)
      stream.skip(length + 1)
      guard try values.append(4 * header.dimension, from: &stream) else {
        throw incomplete(header, row: row, byte: stream.position)
      }
    }
    try skipNewlines(&stream)
    guard stream.isAtEnd else {
      throw DPQError(
        .malformedInput, "bytes follow the \(header.rows) rows that the first line announces: the file is damaged",
        .init(byte: stream.position))
    }
    return EmbeddingTable(
      storage: values.share(), rows: header.rows, dimension: header.dimension, vocabulary: words.vocabulary(),
      sourceBytes: storedBytes ?? stream.position)
  }

  private static func skipNewlines(_ stream: inout ByteStream) throws(DPQError) {
    try stream.fill(1)
    while stream.window.count > 0 && stream.window[0] == 0x0A {
      stream.skip(1)
      try stream.fill(1)
    }
  }

  private static func incomplete(_ header: TextHeader, row: Int, byte: Int) -> DPQError {
    DPQError(
      .truncatedInput,
      "the first line announces \(header.rows) rows, the file ends within row \(row): it is incomplete",
      .init(row: row, byte: byte))
  }
}
