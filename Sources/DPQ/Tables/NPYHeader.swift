/// The header of an `.npy` file (numpy.lib.format, versions 1.0, 2.0 and 3.0).
struct NPYHeader: Equatable {
  /// Kind of number: `f` float, `i` signed, `u` unsigned, as in NumPy's `descr`.
  var kind: Character
  /// Bytes of one element.
  var elementBytes: Int
  var isBigEndian: Bool
  var isFortranOrder: Bool
  var shape: [Int]
  /// Where the elements start.
  var dataOffset: Int

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// The longest header accepted; NumPy itself stops at 10 000 bytes.
  private static let longest = 1 << 20

  /// Parses the front of a file; `file` holds at least the whole header.
  ///
  /// - Throws: `truncatedInput` where `file` ends within the header, `malformedInput`.
  init(_ file: Span<UInt8>) throws(DPQError) {
    guard file.count >= 10 else { throw Self.truncated(file.count) }
    let version = file[6]
    guard (1...3).contains(version) else {
      throw DPQError(.malformedInput, "npy version \(version) is not known: versions 1 to 3 are", .init(byte: 6))
    }
    let start = version == 1 ? 10 : 12
    guard file.count >= start else { throw Self.truncated(file.count) }
    let length = version == 1 ? Int(file.integer(at: 8, as: UInt16.self)) : Int(file.integer(at: 8, as: UInt32.self))
    guard length <= Self.longest else {
      throw DPQError(.malformedInput, "an npy header of \(length) bytes cannot be right", .init(byte: 8))
    }
    guard file.count - start >= length else { throw Self.truncated(file.count) }
    var parser = Literal(text: file.array(start..<start + length), origin: start)
    try parser.parse()
    guard let descr = parser.descr, let order = parser.isFortranOrder, let shape = parser.shape else {
      throw DPQError(.malformedInput, "the npy header lacks descr, fortran_order or shape", .init(byte: start))
    }
    var type = Substring(descr)
    let prefix = type.first ?? " "
    if "<>|=".contains(prefix) { type = type.dropFirst() }
    guard let kind = type.first, let size = Int(type.dropFirst()), size > 0, size <= 64 else {
      throw DPQError(
        .malformedInput, "holds '\(descr)' elements: save it as float32, float16 or float64", .init(byte: start))
    }
    self.kind = kind
    elementBytes = size
    isBigEndian = prefix == ">" && size > 1
    isFortranOrder = order
    self.shape = shape
    dataOffset = start + length
  }

  private static func truncated(_ byte: Int) -> DPQError {
    DPQError(.truncatedInput, "ends within its npy header", .init(byte: byte))
  }

  /// How users know the shape, `3 × 4`.
  var shapeText: String { shape.isEmpty ? "a single value" : shape.map(String.init).joined(separator: " × ") }

  /// The float type of the elements, or `nil` for whole numbers and the like.
  var elementType: ElementType? {
    switch (kind, elementBytes) {
    case ("f", 2): .float16
    case ("f", 4): .float32
    case ("f", 8): .float64
    default: nil
    }
  }

  /// Whether the array could be a table: floats, two axes.
  var isTable: Bool { elementType != nil && shape.count == 2 }

  /// The version 1.0 header of a C-order little-endian array, padded so that the values start at a multiple of 64.
  static func bytes(descr: String = "<f4", shape: [Int]) -> [UInt8] {
    let axes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '\(descr)', 'fortran_order': False, 'shape': (\(axes)), }"
    while (10 + text.utf8.count + 1) % 64 != 0 { text += " " }
    text += "\n"
    let length = UInt16(text.utf8.count)
    return magic + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(text.utf8)
  }

  /// The Python dictionary in a header: strings, booleans and tuples of whole numbers.
  private struct Literal {
    let text: [UInt8]
    let origin: Int
    var next = 0
    var descr: String?
    var isFortranOrder: Bool?
    var shape: [Int]?

    init(text: [UInt8], origin: Int) {
      self.text = text
      self.origin = origin
    }

    mutating func parse() throws(DPQError) {
      try expect("{")
      while !accept("}") {
        let key = try string()
        try expect(":")
        switch key {
        case "descr":
          if peek() == UInt8(ascii: "[") {
            throw DPQError(
              .malformedInput, "holds records, not numbers: save a plain array of floats", .init(byte: origin + next))
          }
          descr = try string()
        case "fortran_order": isFortranOrder = try boolean()
        case "shape": shape = try tuple()
        default: throw malformed()
        }
        if !accept(",") {
          try expect("}")
          break
        }
      }
      skipSpace()
      if next < text.count { throw malformed() }
    }

    private mutating func skipSpace() {
      while next < text.count, [0x20, 0x09, 0x0A, 0x0D].contains(text[next]) { next += 1 }
    }

    private mutating func peek() -> UInt8? {
      skipSpace()
      return next < text.count ? text[next] : nil
    }

    private mutating func accept(_ character: Unicode.Scalar) -> Bool {
      guard peek() == UInt8(ascii: character) else { return false }
      next += 1
      return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(DPQError) {
      if !accept(character) { throw malformed() }
    }

    private mutating func string() throws(DPQError) -> String {
      guard let quote = peek(), quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { throw malformed() }
      let start = next + 1
      guard let end = text[start...].firstIndex(of: quote) else { throw malformed() }
      next = end + 1
      return String(decoding: text[start..<end], as: UTF8.self)
    }

    private mutating func boolean() throws(DPQError) -> Bool {
      _ = peek()
      for (word, value) in [("True", true), ("False", false)] where text[next...].starts(with: word.utf8) {
        next += word.utf8.count
        return value
      }
      throw malformed()
    }

    private mutating func tuple() throws(DPQError) -> [Int] {
      var values: [Int] = []
      try expect("(")
      while !accept(")") {
        _ = peek()
        let start = next
        while next < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[next]) { next += 1 }
        guard values.count < 32, let value = Int(String(decoding: text[start..<next], as: UTF8.self)) else {
          throw malformed()
        }
        values.append(value)
        // Python 2 marked long numbers.
        _ = accept("L")
        if !accept(",") {
          try expect(")")
          break
        }
      }
      return values
    }

    private func malformed() -> DPQError {
      DPQError(.malformedInput, "the npy header is damaged", .init(byte: origin + min(next, text.count)))
    }
  }
}
