import DPQ

/// The lines of a file in columns, as the CoNLL shared tasks use them: one token a line, fields between blanks or tabs,
/// an empty line after each sentence.
struct ColumnLines: ~Copyable {
  private var lines: TextLines
  private let wordColumn: Int
  private let tagColumn: Int?
  /// Fields of the first line; all others have as many.
  private var columns: Int?
  /// The word of the token reached, lower-cased; empty where the line was empty.
  private(set) var word: [UInt8] = []
  /// The tag of the token reached.
  private(set) var tag: [UInt8] = []

  /// Opens `path`; columns count from 1, the tag stands in the last one where `tagColumn` is `nil`.
  init(_ path: String, wordColumn: Int, tagColumn: Int?) throws(DPQError) {
    lines = try TextLines(path)
    self.wordColumn = wordColumn
    self.tagColumn = tagColumn
  }

  /// Goes to the next line; `false` behind the last one.
  ///
  /// - Throws: `malformedInput` with file and line where the columns are not as many as in the first line, or fewer than
  ///   asked for.
  mutating func next() throws(DPQError) -> Bool {
    guard try lines.next() else { return false }
    let line = lines.line
    word.removeAll(keepingCapacity: true)
    tag.removeAll(keepingCapacity: true)
    var fields: [Range<Int>] = []
    var position = 0
    while position < line.count {
      if Self.isBlank(line[position]) {
        position += 1
        continue
      }
      let start = position
      while position < line.count, !Self.isBlank(line[position]) { position += 1 }
      fields.append(start..<position)
    }
    guard !fields.isEmpty else { return true }
    let columns = columns ?? fields.count
    self.columns = columns
    guard fields.count == columns else {
      throw lines.malformed("has \(fields.count) columns where the lines before have \(columns)")
    }
    let tagColumn = tagColumn ?? columns
    guard max(wordColumn, tagColumn) <= columns, wordColumn != tagColumn else {
      throw lines.malformed(
        "has \(columns) \(columns == 1 ? "column" : "columns"): word \(wordColumn) and tag \(tagColumn) are not two of "
          + "them; say with --word-column and --tag-column where they stand")
    }
    for i in fields[wordColumn - 1] { word.append(line[i]) }
    for i in fields[tagColumn - 1] { tag.append(line[i]) }
    word = Tokenizer.lowerCased(word)
    return true
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
