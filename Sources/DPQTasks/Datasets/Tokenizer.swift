/// Cuts UTF-8 text into lower-cased words.
///
/// A word is a run of letters, marks and digits, with apostrophes between two of them (`don't`, `o'neil`); everything
/// else, white space, punctuation and symbols, separates words and is dropped. Letters are lower-cased by their simple
/// Unicode mapping. Bytes that are not UTF-8 separate words.
struct Tokenizer {
  /// The word found last.
  private(set) var word: [UInt8] = []

  /// Finds the first word of `text` from `position` on and moves `position` behind it; `false` where there is none.
  mutating func next(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    word.removeAll(keepingCapacity: true)
    let count = text.count
    while position < count {
      let byte = text[position]
      if byte < 0x80 {
        let lower = Self.ascii[Int(byte)]
        if lower != 0 {
          word.append(lower)
        } else if byte == UInt8(ascii: "'"), !word.isEmpty, Self.startsWord(text, position + 1) {
          word.append(byte)
        } else if !word.isEmpty {
          return true
        }
        position += 1
      } else if !appendScalar(text, &position), !word.isEmpty {
        return true
      }
    }
    return !word.isEmpty
  }

  /// A whole word lower-cased in the same way; what is not UTF-8 is repaired.
  static func lowerCased(_ word: [UInt8]) -> [UInt8] {
    if word.allSatisfy({ $0 < 0x80 }) { return word.map { ascii[Int($0)] == 0 ? $0 : ascii[Int($0)] } }
    var result: [UInt8] = []
    for scalar in String(decoding: word, as: UTF8.self).unicodeScalars {
      result += scalar.properties.lowercaseMapping.utf8
    }
    return result
  }

  /// The lower-cased letter or digit of an ASCII byte, 0 for all others.
  private static let ascii: [UInt8] = (0..<128).map { (byte: UInt8) in
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte + 32
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
    default: 0
    }
  }

  /// Appends the scalar at `position` if it belongs to words; moves behind it in any case.
  private mutating func appendScalar(_ text: Span<UInt8>, _ position: inout Int) -> Bool {
    guard let (scalar, length) = Self.scalar(text, position) else {
      position += 1
      return false
    }
    position += length
    guard Self.isInWords(scalar) else { return false }
    word.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
    return true
  }

  private static func startsWord(_ text: Span<UInt8>, _ position: Int) -> Bool {
    guard position < text.count else { return false }
    if text[position] < 0x80 { return ascii[Int(text[position])] != 0 }
    return scalar(text, position).map { isInWords($0.scalar) } ?? false
  }

  private static func isInWords(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
      .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber:
      true
    default: false
    }
  }

  /// The scalar whose well-formed encoding (RFC 3629) starts at `position`, and its length.
  private static func scalar(_ text: Span<UInt8>, _ position: Int) -> (scalar: Unicode.Scalar, length: Int)? {
    let lead = text[position]
    let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
    guard lead >= 0xC2, lead < 0xF5, text.count - position >= length else { return nil }
    var value = UInt32(lead) & (0xFF >> UInt32(length + 1))
    for i in 1..<length {
      let byte = text[position + i]
      guard byte & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(byte & 0x3F)
    }
    // Longer than needed, or no scalar at all.
    guard value >= (length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000), let scalar = Unicode.Scalar(value) else {
      return nil
    }
    return (scalar, length)
  }
}
