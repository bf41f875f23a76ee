/// Reads numbers one after another from bytes that may end at any place.
struct ByteCursor {
  private let region: MemoryRegion
  /// Offset of the next byte.
  private(set) var position: Int

  init(_ region: MemoryRegion, at position: Int) {
    self.region = region
    self.position = position
  }

  /// The next little-endian integer.
  ///
  /// - Throws: `truncatedInput`.
  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) throws(DPQError) -> Value {
    let size = MemoryLayout<Value>.size
    guard region.byteCount - position >= size else { throw truncated() }
    defer { position += size }
    return region.span.integer(at: position)
  }

  /// Where the bytes up to the next zero lie; the zero is skipped.
  ///
  /// - Throws: `truncatedInput`.
  mutating func terminatedBytes() throws(DPQError) -> Range<Int> {
    guard let end = region.span.firstIndex(of: 0, from: position) else { throw truncated() }
    defer { position = end + 1 }
    return position..<end
  }

  /// An error at the place reached.
  func malformed(_ message: String) -> DPQError { DPQError(.malformedInput, message, .init(byte: position)) }

  private func truncated() -> DPQError {
    DPQError(.truncatedInput, "ends within its header: it is incomplete", .init(byte: region.byteCount))
  }
}
