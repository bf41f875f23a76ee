import DPQ

/// The records of a file of labelled texts, one after another.
struct LabelledRecords: ~Copyable {
  private var lines: TextLines
  private var format: TextFormat?
  private let detect: (Span<UInt8>) -> TextFormat
  /// The label of the record reached, without white space around it.
  private(set) var label: [UInt8] = []
  /// The text of the record reached.
  private(set) var text: [UInt8] = []
  /// Where each text column stands in ``text``.
  private(set) var textRanges: [Range<Int>] = []
  /// Where the field being read is collected.
  private var field: [UInt8] = []
  /// Line on which the record reached starts.
  private(set) var line = 0

  /// Opens `path`; the format is what `detect` says of its first line where `nil`.
  init(
    _ path: String, format: TextFormat?, detect: @escaping (Span<UInt8>) -> TextFormat = TextFormat.detect
  ) throws(DPQError) {
    lines = try TextLines(path)
    self.format = format
    self.detect = detect
  }

  /// Goes to the next record; `false` behind the last one. Empty lines are passed over.
  ///
  /// - Throws: `malformedInput` with file and line for a record without the fields asked for or without a label.
  mutating func next() throws(DPQError) -> Bool {
    repeat {
      guard try lines.next() else { return false }
      if lines.line.count > 0, format == nil { format = detect(lines.line) }
      if lines.number == 1, format?.hasHeader == true {
        // The line may be anything.
        guard try lines.next() else { return false }
      }
    } while lines.line.count == 0
    guard let format else { return false }
    line = lines.number
    label.removeAll(keepingCapacity: true)
    text.removeAll(keepingCapacity: true)
    textRanges.removeAll(keepingCapacity: true)
    let found = format.isQuoted ? try readQuoted(format) : readPlain(format)
    guard found >= format.lastColumn else {
      throw malformed(
        "has \(found) of \(format.lastColumn) fields: say with --format, --separator, --label-column and "
          + "--text-column what the file holds")
    }
    label = Self.trimmed(label)
    guard !label.isEmpty else { throw malformed("has no label") }
    return true
  }

  /// An error in the record reached.
  func malformed(_ message: String) -> DPQError {
    DPQError(.malformedInput, message, .init(file: lines.path, line: line))
  }

  /// Splits the line at separators; returns how many fields there are, counted no further than needed.
  private mutating func readPlain(_ format: TextFormat) -> Int {
    let line = lines.line
    var start = 0
    var column = 1
    while true {
      let runsOn = format.textRunsOn && column == format.lastColumn && format.textColumns.contains(column)
      var end = start
      if runsOn { end = line.count } else { while end < line.count, line[end] != format.separator { end += 1 } }
      if column == format.labelColumn { for i in start..<end { label.append(line[i]) } }
      if format.textColumns.contains(column) {
        if !text.isEmpty { text.append(UInt8(ascii: " ")) }
        let first = text.count
        for i in start..<end { text.append(line[i]) }
        textRanges.append(first..<text.count)
      }
      if column == format.lastColumn || end == line.count { return column }
      column += 1
      start = end + 1
    }
  }

  /// The same for fields that may be quoted (RFC 4180); a quoted one may go on in the next line.
  private mutating func readQuoted(_ format: TextFormat) throws(DPQError) -> Int {
    let quote = UInt8(ascii: "\"")
    var position = 0
    var column = 1
    while true {
      field.removeAll(keepingCapacity: true)
      if position < lines.line.count, lines.line[position] == quote {
        position += 1
        while true {
          if position >= lines.line.count {
            guard try lines.next() else { throw malformed("a quoted field does not end") }
            field.append(UInt8(ascii: "\n"))
            position = 0
            guard field.count <= Self.longestField else { throw malformed("a quoted field does not end") }
            continue
          }
          let byte = lines.line[position]
          position += 1
          if byte != quote {
            field.append(byte)
          } else if position < lines.line.count, lines.line[position] == quote {
            field.append(quote)
            position += 1
          } else {
            break
          }
        }
        guard position == lines.line.count || lines.line[position] == format.separator else {
          throw malformed("a quoted field is followed by more than a separator")
        }
      } else {
        while position < lines.line.count, lines.line[position] != format.separator {
          field.append(lines.line[position])
          position += 1
        }
      }
      if column == format.labelColumn { label += field }
      if format.textColumns.contains(column) {
        if !text.isEmpty { text.append(UInt8(ascii: " ")) }
        textRanges.append(text.count..<(text.count + field.count))
        text += field
      }
      if position >= lines.line.count { return column }
      position += 1
      column += 1
    }
  }

  /// More bytes than that between quotes are a quote forgotten.
  private static let longestField = 1 << 24

  private static func trimmed(_ bytes: [UInt8]) -> [UInt8] {
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
    guard let first = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
    else { return [] }
    return Array(bytes[first...last])
  }
}
