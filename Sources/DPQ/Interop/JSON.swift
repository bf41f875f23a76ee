import CJsmn

/// A parsed JSON text: the tokens of jsmn over bytes that stay where they are.
final class JSONDocument {
  private let region: MemoryRegion
  private let start: Int
  private let tokens: AlignedBuffer<jsmntok_t>

  /// Parses `range` of `region`, which must be one JSON object or array.
  ///
  /// - Throws: `malformedInput`, the byte counted from the start of the region.
  init(_ region: MemoryRegion, _ range: Range<Int>) throws(DPQError) {
    self.region = region
    self.start = range.lowerBound
    let bytes = UnsafeRawBufferPointer(rebasing: region.bytes[range])
    guard bytes.count < Int(Int32.max) else {
      throw DPQError(.malformedInput, "\(bytes.count) bytes of JSON are more than can be read")
    }
    try Self.check(bytes, at: range.lowerBound)
    let text = bytes.baseAddress.map { $0.assumingMemoryBound(to: CChar.self) }
    var parser = jsmn_parser()
    jsmn_init(&parser)
    let count = jsmn_parse(&parser, text, bytes.count, nil, 0)
    guard count > 0 else { throw Self.malformed(range.lowerBound + Int(parser.pos)) }
    tokens = try AlignedBuffer(count: Int(count))
    jsmn_init(&parser)
    let parsed = jsmn_parse(&parser, text, bytes.count, tokens.pointer, UInt32(count))
    guard parsed == count else { throw Self.malformed(range.lowerBound + Int(parser.pos)) }
    guard tokens[0].type == JSMN_OBJECT || tokens[0].type == JSMN_ARRAY else { throw Self.malformed(range.lowerBound) }
    for i in Int(tokens[0].end)..<bytes.count where !Self.isSpace(bytes[i]) {
      throw Self.malformed(range.lowerBound + i)
    }
  }

  /// The outermost value.
  var root: Value { Value(document: self, index: 0) }

  /// jsmn stops at a zero byte, and closing n brackets of depth n costs it n² steps: both are refused before it starts.
  private static func check(_ bytes: UnsafeRawBufferPointer, at start: Int) throws(DPQError) {
    var depth = 0
    var isInString = false
    var i = 0
    while i < bytes.count {
      switch bytes[i] {
      case 0: throw malformed(start + i)
      case UInt8(ascii: "\""): isInString.toggle()
      case UInt8(ascii: "\\") where isInString: i += 1
      case UInt8(ascii: "{") where !isInString, UInt8(ascii: "[") where !isInString:
        depth += 1
        if depth > 100 { throw malformed(start + i) }
      case UInt8(ascii: "}") where !isInString, UInt8(ascii: "]") where !isInString: depth -= 1
      default: break
      }
      i += 1
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  private static func malformed(_ byte: Int) -> DPQError {
    DPQError(.malformedInput, "is not valid JSON here", .init(byte: byte))
  }

  /// One value of the document.
  struct Value {
    fileprivate let document: JSONDocument
    fileprivate let index: Int
    fileprivate var token: jsmntok_t { document.tokens[index] }

    var isObject: Bool { token.type == JSMN_OBJECT }
    var isArray: Bool { token.type == JSMN_ARRAY }

    /// The bytes of a string with its escapes replaced, or `nil` for any other value.
    var bytes: [UInt8]? {
      guard token.type == JSMN_STRING else { return nil }
      return JSONDocument.unescape(raw)
    }

    var string: String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    /// A whole number, or `nil` for anything else.
    var integer: Int? {
      guard token.type == JSMN_PRIMITIVE else { return nil }
      return Int(String(decoding: raw, as: UTF8.self))
    }

    /// Value of the member `key` of an object, or `nil`.
    subscript(key: String) -> Value? {
      var found: Value?
      forEachMember { name, value in
        if found == nil && String(decoding: JSONDocument.unescape(name), as: UTF8.self) == key { found = value }
      }
      return found
    }

    /// Calls `body` with every member of an object, in order; the name has its escapes still in it. Does nothing for
    /// other values.
    func forEachMember<Failure: Error>(
      _ body: (UnsafeRawBufferPointer, Value) throws(Failure) -> Void
    ) throws(Failure) {
      guard isObject else { return }
      let end = Int(token.end)
      var next = index + 1
      while next < document.tokens.count, Int(document.tokens[next].start) < end {
        let name = Value(document: document, index: next)
        guard name.token.type == JSMN_STRING, name.token.size == 1, next + 1 < document.tokens.count else { return }
        let value = Value(document: document, index: next + 1)
        try body(name.raw, value)
        next = value.nextSibling
      }
    }

    /// The elements of an array; empty for other values.
    var elements: [Value] {
      guard isArray else { return [] }
      var result: [Value] = []
      result.reserveCapacity(Int(token.size))
      let end = Int(token.end)
      var next = index + 1
      while next < document.tokens.count, Int(document.tokens[next].start) < end {
        let value = Value(document: document, index: next)
        result.append(value)
        next = value.nextSibling
      }
      return result
    }

    private var nextSibling: Int {
      let end = Int(token.end)
      var next = index + 1
      while next < document.tokens.count, Int(document.tokens[next].start) < end { next += 1 }
      return next
    }

    private var raw: UnsafeRawBufferPointer {
      let first = document.start + Int(token.start)
      return UnsafeRawBufferPointer(rebasing: document.region.bytes[first..<document.start + Int(token.end)])
    }
  }

  /// Replaces the escapes of a JSON string; half of a surrogate pair becomes U+FFFD.
  static func unescape(_ raw: UnsafeRawBufferPointer) -> [UInt8] {
    guard raw.contains(UInt8(ascii: "\\")) else { return Array(raw) }
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    var i = 0
    while i < raw.count {
      guard raw[i] == UInt8(ascii: "\\"), i + 1 < raw.count else {
        result.append(raw[i])
        i += 1
        continue
      }
      let escape = raw[i + 1]
      i += 2
      switch escape {
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        var unit = hexadecimal(raw, i)
        i += 4
        if (0xD800..<0xDC00).contains(unit), i + 6 <= raw.count, raw[i] == UInt8(ascii: "\\"),
          raw[i + 1] == UInt8(ascii: "u")
        {
          let low = hexadecimal(raw, i + 2)
          if (0xDC00..<0xE000).contains(low) {
            unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            i += 6
          }
        }
        result.append(contentsOf: String(Unicode.Scalar(unit) ?? "\u{FFFD}").utf8)
      default: result.append(escape)
      }
    }
    return result
  }

  private static func hexadecimal(_ raw: UnsafeRawBufferPointer, _ start: Int) -> UInt32 {
    var value: UInt32 = 0
    for i in start..<min(start + 4, raw.count) {
      value = value << 4 | UInt32(Character(Unicode.Scalar(raw[i])).hexDigitValue ?? 0)
    }
    return value
  }
}
