/// A JSON value that is printed on one line, with the keys of an object in the order given.
package enum JSON: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case unsigned(UInt64)
  /// Printed with the fewest digits that read back to the same number; null where it is not finite.
  case double(Double)
  /// As `double`, with the digits of a 32-bit number.
  case float(Float)
  case string(String)
  case array([JSON])
  case object([(String, JSON)])

  /// The parts of a file.
  package static func sections(_ sections: [(name: String, bytes: Int)]) -> JSON {
    .array(sections.map { .object([("name", .string($0.name)), ("bytes", .integer($0.bytes))]) })
  }

  /// A count that may be a mean: printed as a whole number where it is one.
  package static func count(_ value: Double) -> JSON { Int(exactly: value).map(JSON.integer) ?? .double(value) }

  /// The value as text.
  package var text: String {
    var text = ""
    append(to: &text)
    return text
  }

  private func append(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .unsigned(let value): text += String(value)
    case .double(let value): text += value.isFinite ? value.description : "null"
    case .float(let value): text += value.isFinite ? value.description : "null"
    case .string(let value): Self.append(value, to: &text)
    case .array(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += ", " }
        value.append(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += ", " }
        Self.append(member.0, to: &text)
        text += ": "
        member.1.append(to: &text)
      }
      text += "}"
    }
  }

  /// Appends `string` quoted, with everything escaped that RFC 8259, section 7, wants escaped.
  private static func append(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
