extension TableFormat {
  /// Tells a format by the front of a file.
  ///
  /// - Parameters:
  ///   - window: the first bytes, as many as fit a window or all there are.
  ///   - size: bytes of the whole file, where known.
  /// - Returns: `nil` where only the length of the file could tell, and is not known.
  /// - Throws: `malformedInput` where it is none of the formats known here.
  static func detect(_ window: Span<UInt8>, size: Int?) throws(DPQError) -> TableFormat? {
    if window.count == 0 { throw DPQError(.malformedInput, "is empty") }
    if window.starts(with: NPYHeader.magic) { return .npy }
    if window.starts(with: [0x50, 0x4B, 0x03, 0x04]) || window.starts(with: [0x50, 0x4B, 0x05, 0x06]) { return .npz }
    if window.starts(with: FastTextModel.magic) { return .fastTextBin }
    if looksLikeSafetensors(window) { return .safetensors }
    if let header = TextHeader(window) { return try detect(afterHeader: header, window) }
    // Counts below 2²⁴ put a zero byte near the front of the binary formats; text has none.
    if !(0..<min(window.count, 8)).contains(where: { window[$0] == 0 }) {
      guard TextTable.dimension(of: window) != nil else { throw unknown }
      return .glove
    }
    guard let size else { return nil }
    return try detectCounts(window, size: size)
  }

  private static var unknown: DPQError {
    DPQError(
      .malformedInput,
      "is not a table in a format known here: npy, npz, safetensors, word2vec, GloVe, fastText, fbin or fvecs")
  }

  /// A length of the header, then a JSON object. A length no text could stand for is enough for it to be judged there.
  private static func looksLikeSafetensors(_ window: Span<UInt8>) -> Bool {
    guard window.count > 9, window[8] == UInt8(ascii: "{") else { return false }
    guard [0x22, 0x7D, 0x20, 0x0A].contains(window[9]) else { return false }
    return (0..<8).contains { window[$0] < 0x09 || window[$0] == 0xFF }
  }

  /// After a line `rows dimension`: words and numbers as text, or as bytes.
  private static func detect(afterHeader header: TextHeader, _ window: Span<UInt8>) throws(DPQError) -> TableFormat {
    let start = header.byteCount
    let end = window.firstIndex(of: 0x0A, from: start) ?? window.count
    if end <= start { return .word2vecText }
    let line = window.extracting(start..<end)
    let (numbers, fields) = TextRow.trailingNumbers(line)
    if fields == 2 && numbers >= 1 && header.dimension != 1 { return .glove }
    if numbers >= header.dimension { return .word2vecText }
    // Floats as bytes hold control characters within a few values.
    let front = window.extracting(start..<min(window.count, start + 4096))
    let isText = (0..<front.count).allSatisfy { front[$0] >= 0x20 || (0x09...0x0D).contains(front[$0]) }
    return isText ? .word2vecText : .word2vecBinary
  }

  /// `.fbin` and `.fvecs` have no magic number: their counts must fit the length of the file.
  private static func detectCounts(_ window: Span<UInt8>, size: Int) throws(DPQError) -> TableFormat {
    guard window.count >= 8 else { throw unknown }
    let first = Int(window.integer(at: 0, as: UInt32.self))
    let second = Int(window.integer(at: 4, as: UInt32.self))
    let plausible = 1..<1 << 20
    // As the bits of a float, a plausible dimension would be a number below 1.5e-39.
    let couldBeFbin = plausible.contains(second)
    if couldBeFbin && size == 8 + 4 * first * second { return .fbin }
    if plausible.contains(first) {
      let next = 4 + 4 * first
      let repeats =
        window.count < next + 4 ? size % next == 0 : Int(window.integer(at: next, as: UInt32.self)) == first
      if size >= next + 4 ? repeats : !couldBeFbin { return .fvecs }
    }
    if couldBeFbin { return .fbin }
    throw unknown
  }
}
