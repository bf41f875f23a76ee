/// One line of a text table: a word, then numbers.
///
/// Words may hold spaces, so where the numbers begin is counted from the right.
enum TextRow {
  /// What a line turned out to be.
  enum Result {
    /// A word of `wordBytes` bytes from the start of the line.
    case row(wordBytes: Int)
    /// Another count of numbers than the table's rows have.
    case ragged(numbers: Int)
  }

  /// Cuts `line` (without its `\n`) and writes its last `dimension` numbers to `output`.
  static func parse(
    _ line: Span<UInt8>, dimension: Int, into output: UnsafeMutableRawBufferPointer
  ) -> Result {
    let end = contentEnd(line)
    let content = line.extracting(0..<end)
    // Nearly every word is one field: try from its end on.
    var wordEnd = 0
    while wordEnd < end && !isSpace(content[wordEnd]) { wordEnd += 1 }
    if DecimalFloat.parse(content, from: wordEnd, count: dimension, into: output) == end {
      return .row(wordBytes: wordEnd)
    }
    guard let start = fieldStart(content, fromRight: dimension),
      DecimalFloat.parse(content, from: start, count: dimension, into: output) == end
    else { return .ragged(numbers: min(trailingNumbers(content).numbers, dimension - 1)) }
    // A word that ends in a space and a number is far more often a row that is too long.
    var last = start
    while last > 0 && !isSpace(content[last - 1]) { last -= 1 }
    if last > 0, isNumber(content.extracting(last..<start)) {
      return .ragged(numbers: trailingNumbers(content).numbers)
    }
    return .row(wordBytes: start)
  }

  /// Why a word would not be read back from a line as it is, or `nil`.
  static func problem(withWord word: Span<UInt8>) -> String? {
    if isSpace(word[0]) || isSpace(word[word.count - 1]) { return "starts or ends with a space" }
    var last = word.count
    while last > 0 && !isSpace(word[last - 1]) { last -= 1 }
    return last > 0 && isNumber(word.extracting(last..<word.count)) ? "ends with a space and a number" : nil
  }

  /// A number with digits; "nan" and "inf" are words too.
  private static func isNumber(_ field: Span<UInt8>) -> Bool {
    (0..<field.count).contains { field[$0] &- 0x30 < 10 } && DecimalFloat.value(field) != nil
  }

  /// How many fields at the end of a line are numbers, and how many fields it has.
  static func trailingNumbers(_ line: Span<UInt8>) -> (numbers: Int, fields: Int) {
    var end = contentEnd(line)
    var numbers = 0
    var fields = 0
    var areNumbers = true
    while end > 0 {
      var start = end
      while start > 0 && !isSpace(line[start - 1]) { start -= 1 }
      fields += 1
      if areNumbers && DecimalFloat.value(line.extracting(start..<end)) != nil {
        numbers += 1
      } else {
        areNumbers = false
      }
      end = start
      while end > 0 && isSpace(line[end - 1]) { end -= 1 }
    }
    return (numbers, fields)
  }

  /// Length of the line without the spaces and the `\r` at its end.
  static func contentEnd(_ line: Span<UInt8>) -> Int {
    var end = line.count
    while end > 0, isSpace(line[end - 1]) || line[end - 1] == 0x0D { end -= 1 }
    return end
  }

  static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// Where the separator before the last `count` fields stands: the end of the word.
  private static func fieldStart(_ content: Span<UInt8>, fromRight count: Int) -> Int? {
    var end = content.count
    for field in 0..<count {
      while end > 0 && !isSpace(content[end - 1]) { end -= 1 }
      if end == 0 { return nil }
      // Only one separator belongs to the numbers: what is left of it is the word, spaces and all.
      end -= 1
      if field < count - 1 {
        while end > 0 && isSpace(content[end - 1]) { end -= 1 }
      }
    }
    return end
  }
}
