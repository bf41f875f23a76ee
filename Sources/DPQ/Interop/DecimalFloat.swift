/// Decimal numbers to float32, correctly rounded, fast.
///
/// Up to 19 digits go through one double multiplication or division (Clinger, "How to Read Floating Point Numbers
/// Accurately", 1990, with an error bound instead of exactness): the result is off by less than 4 units in the last
/// place of the double, so it rounds to the right float unless it lies that close to the middle of two floats. Those, and
/// results outside the normal range, take the slow and exact way.
enum DecimalFloat {
  /// 10⁰…10⁶⁰, correctly rounded.
  private static let powers: [Double] = (0...60).map { Double("1e\($0)")! }

  /// Parses `count` numbers, each after one or more spaces or tabs, and writes them to `output`.
  ///
  /// - Returns: the position after the last one, or `nil` where there are fewer or one is followed by other characters.
  static func parse(
    _ text: Span<UInt8>, from start: Int, count: Int, into output: UnsafeMutableRawBufferPointer
  ) -> Int? {
    precondition(start >= 0 && output.count >= 4 * count)
    return text.withUnsafeBufferPointer { text in
      powers.withUnsafeBufferPointer { powers in
        guard let base = text.baseAddress else { return count == 0 ? 0 : nil }
        let end = base + text.count
        var p = base + start
        for i in 0..<count {
          guard p < end, isSpace(p.pointee) else { return nil }
          repeat { p += 1 } while p < end && isSpace(p.pointee)
          var value: Float = 0
          guard let next = number(p, end, powers.baseAddress!, &value) else { return nil }
          output.storeBytes(of: value, toByteOffset: 4 * i, as: Float.self)
          p = next
        }
        return p - base
      }
    }
  }

  /// The number that is all of `text`, or `nil`.
  static func value(_ text: Span<UInt8>) -> Float? {
    text.withUnsafeBufferPointer { text in
      powers.withUnsafeBufferPointer { powers in
        guard let base = text.baseAddress else { return nil }
        var value: Float = 0
        return number(base, base + text.count, powers.baseAddress!, &value) == base + text.count ? value : nil
      }
    }
  }

  @inline(__always)
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// One number, which a space or the end of the line must follow.
  @inline(__always)
  private static func number(
    _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ powers: UnsafePointer<Double>, _ value: inout Float
  ) -> UnsafePointer<UInt8>? {
    var p = start
    var isNegative = false
    if p < end, p.pointee == UInt8(ascii: "-") || p.pointee == UInt8(ascii: "+") {
      isNegative = p.pointee == UInt8(ascii: "-")
      p += 1
    }
    var digits: UInt64 = 0
    var kept = 0
    var exponent = 0
    var seen = 0
    while p < end, p.pointee &- 0x30 < 10 {
      take(p.pointee &- 0x30, &digits, &kept) ? () : (exponent += 1)
      seen += 1
      p += 1
    }
    if p < end, p.pointee == UInt8(ascii: ".") {
      p += 1
      while p < end, p.pointee &- 0x30 < 10 {
        if take(p.pointee &- 0x30, &digits, &kept) { exponent -= 1 }
        seen += 1
        p += 1
      }
    }
    guard seen > 0 else { return special(start, end, &value) }
    if p < end, p.pointee | 0x20 == UInt8(ascii: "e") {
      p += 1
      var isDown = false
      if p < end, p.pointee == UInt8(ascii: "-") || p.pointee == UInt8(ascii: "+") {
        isDown = p.pointee == UInt8(ascii: "-")
        p += 1
      }
      guard p < end, p.pointee &- 0x30 < 10 else { return nil }
      var scale = 0
      while p < end, p.pointee &- 0x30 < 10 {
        scale = min(scale * 10 + Int(p.pointee &- 0x30), 1_000_000)
        p += 1
      }
      exponent += isDown ? -scale : scale
    }
    guard p == end || isSpace(p.pointee) else { return nil }
    if digits == 0 {
      value = isNegative ? -0.0 : 0.0
      return p
    }
    if exponent >= -60 && exponent <= 60 {
      let product = exponent < 0 ? Double(digits) / powers[-exponent] : Double(digits) * powers[exponent]
      // The 29 bits a float lacks; their middle is where rounding turns.
      let rest = Int64(product.bitPattern & 0x1FFF_FFFF) - 0x1000_0000
      if abs(rest) > 8 && product > 1.2e-38 && product < 3.4e38 {
        let magnitude = Float(product)
        value = isNegative ? -magnitude : magnitude
        return p
      }
    }
    guard let exact = Float(String(decoding: UnsafeBufferPointer(start: start, count: p - start), as: UTF8.self)) else {
      return nil
    }
    value = exact
    return p
  }

  /// Adds a digit where there is room for it; false where it only counts as a place.
  @inline(__always)
  private static func take(_ digit: UInt8, _ digits: inout UInt64, _ kept: inout Int) -> Bool {
    if kept >= 19 { return false }
    digits = digits &* 10 &+ UInt64(digit)
    if digits != 0 { kept += 1 }
    return true
  }

  /// `nan`, `inf` and `infinity` in any case, with a sign.
  private static func special(
    _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ value: inout Float
  ) -> UnsafePointer<UInt8>? {
    var p = start
    while p < end, !isSpace(p.pointee), p - start < 10 { p += 1 }
    let word = String(decoding: UnsafeBufferPointer(start: start, count: p - start), as: UTF8.self).lowercased()
    switch word {
    case "nan", "+nan", "-nan": value = .nan
    case "inf", "+inf", "infinity", "+infinity": value = .infinity
    case "-inf", "-infinity": value = -.infinity
    default: return nil
    }
    return p
  }
}
