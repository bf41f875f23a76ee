/// Numbers and tables for people to read.
package enum Format {
  /// `number` with `digits` digits behind the point.
  package static func fixed(_ number: Double, _ digits: Int) -> String {
    guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = (number.magnitude * scale).rounded()
    guard scaled < 1e15 else { return number.description }
    let whole = Int(scaled / scale)
    let rest = Int(scaled) - whole * Int(scale)
    let sign = number < 0 && scaled > 0 ? "-" : ""
    return digits == 0 ? "\(sign)\(whole)" : "\(sign)\(whole)." + pad(String(rest), digits, with: "0", left: true)
  }

  /// `number` with about `digits` digits that count; powers of ten where it is tiny.
  package static func significant(_ number: Double, _ digits: Int) -> String {
    guard number.isFinite, number != 0 else { return fixed(number, 0) }
    var exponent = 0
    var size = number.magnitude
    while size >= 10 {
      size /= 10
      exponent += 1
    }
    while size < 1 {
      size *= 10
      exponent -= 1
    }
    if exponent < -4 { return fixed(number < 0 ? -size : size, digits - 1) + "e\(exponent)" }
    return fixed(number, max(0, digits - 1 - exponent))
  }

  /// A number of bits that may be a mean: two digits behind the point where it is not whole.
  package static func bits(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? fixed(number, 2) }

  /// `1 thread`, `2 threads`.
  package static func threads(_ count: Int) -> String { count == 1 ? "1 thread" : "\(count) threads" }

  /// `number` with its thousands apart: `32 000`.
  package static func grouped(_ number: Int) -> String {
    var text = ""
    for (index, digit) in String(number.magnitude).reversed().enumerated() {
      if index > 0, index % 3 == 0 { text.append(" ") }
      text.append(digit)
    }
    return (number < 0 ? "-" : "") + String(text.reversed())
  }

  /// `part` of `whole` in per cent.
  package static func percent(_ part: Int, of whole: Int) -> String {
    whole == 0 ? "-" : fixed(100 * Double(part) / Double(whole), 1) + " %"
  }

  /// A duration: `0.42 s`, `12.0 s`, `3:07`.
  package static func seconds(_ seconds: Double) -> String {
    if seconds < 10 { return fixed(seconds, 2) + " s" }
    if seconds < 100 { return fixed(seconds, 1) + " s" }
    return clock(seconds)
  }

  /// `0:07`, `12:30`, `1:02:03`.
  package static func clock(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e8 else { return "-:--" }
    let total = Int(seconds.rounded())
    let low = pad(String(total % 60), 2, with: "0", left: true)
    if total < 3600 { return "\(total / 60):\(low)" }
    return "\(total / 3600):" + pad(String(total / 60 % 60), 2, with: "0", left: true) + ":\(low)"
  }

  /// `text` filled up to `width` characters.
  package static func pad(_ text: String, _ width: Int, with fill: Character = " ", left: Bool = false) -> String {
    let missing = String(repeating: fill, count: max(0, width - text.count))
    return left ? missing + text : text + missing
  }

  /// `text` with its control characters escaped, so that a line stays a line and a terminal is left alone.
  package static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) else {
      return text
    }
    return text.unicodeScalars.map { scalar in
      switch scalar {
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
        "\\x" + pad(String(scalar.value, radix: 16), 2, with: "0", left: true)
      default: String(scalar)
      }
    }.joined()
  }

  /// Names and values under one another, names padded to the longest.
  package static func pairs(_ pairs: [(String, String)]) -> String {
    let width = pairs.map(\.0.count).max() ?? 0
    return pairs.map { pad($0.0, width) + "  " + $0.1 + "\n" }.joined()
  }

  /// Columns under one another: the first to the left, numbers (all others) to the right.
  package static func table(_ rows: [[String]]) -> String {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { pad($0.element, widths[$0.offset], left: $0.offset > 0) }.joined(separator: "  ") + "\n"
    }.joined()
  }
}
