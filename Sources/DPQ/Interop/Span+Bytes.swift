extension Span<UInt8> {
  /// Whether `prefix` stands at `offset`.
  func starts(with prefix: [UInt8], at offset: Int = 0) -> Bool {
    guard offset <= count, count - offset >= prefix.count else { return false }
    for i in prefix.indices where self[offset + i] != prefix[i] { return false }
    return true
  }

  /// The little-endian integer at `offset`; its bytes must lie in the span.
  func integer<Value: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: Value.Type = Value.self) -> Value {
    Value(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self))
  }

  /// The bytes of `range` as text; what is not UTF-8 is repaired.
  func text(_ range: Range<Int>) -> String {
    extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of `range` in an array.
  func array(_ range: Range<Int>) -> [UInt8] {
    extracting(range).withUnsafeBufferPointer { Array($0) }
  }

  /// First position of `byte` from `start` on, or `nil`.
  func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
    var i = start
    while i < count {
      if self[i] == byte { return i }
      i += 1
    }
    return nil
  }
}

extension MemoryRegion {
  /// The bytes, for as long as the region is held.
  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let pointer = base.assumingMemoryBound(to: UInt8.self)
      return _overrideLifetime(Span(_unsafeStart: pointer, count: byteCount), borrowing: self)
    }
  }
}
