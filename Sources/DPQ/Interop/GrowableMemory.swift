#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Memory filled from the front, of a length nobody knows beforehand.
///
/// `realloc` moves large blocks by remapping their pages, so growing holds no second copy, and pages not yet written cost
/// nothing.
struct GrowableMemory: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  /// Bytes filled so far.
  private(set) var count = 0

  init() {}

  deinit { free(base) }

  /// The next `size` bytes, to be filled by the caller; valid until the next call.
  ///
  /// - Throws: `outOfMemory`.
  mutating func extend(by size: Int) throws(DPQError) -> UnsafeMutableRawBufferPointer {
    let (needed, overflow) = count.addingReportingOverflow(size)
    if overflow { throw Self.exhausted(count) }
    if needed > capacity {
      let larger = max(needed, capacity + capacity / 2, 1 << 16)
      guard let moved = realloc(base, larger) else { throw Self.exhausted(needed) }
      base = moved
      capacity = larger
    }
    let start = count
    count = needed
    return UnsafeMutableRawBufferPointer(start: base.map { $0 + start }, count: size)
  }

  /// Appends the next `size` bytes of `stream`; false where it ends before. A size read from a damaged file does no harm:
  /// memory grows with what is really there.
  mutating func append(_ size: Int, from stream: inout ByteStream) throws(DPQError) -> Bool {
    var left = size
    while left > 0 {
      let room = try extend(by: min(left, 1 << 24))
      if try stream.read(into: room) < room.count { return false }
      left -= room.count
    }
    return true
  }

  /// Takes back the last `size` bytes of ``extend(by:)``.
  mutating func shrink(by size: Int) {
    precondition(size >= 0 && size <= count)
    count -= size
  }

  /// Appends one value as it lies in memory.
  mutating func append<Value: BitwiseCopyable>(_ value: Value) throws(DPQError) {
    try extend(by: MemoryLayout<Value>.size).storeBytes(of: value, as: Value.self)
  }

  /// Gives the memory up to a region that others may share.
  consuming func share() -> MemoryRegion {
    let count = count
    // Shrinking in place cannot fail in a way that matters: the old block stays valid.
    let memory = base.map { realloc($0, max(count, 1)) ?? $0 }
    base = nil
    return MemoryRegion(base: UnsafeRawPointer(memory ?? malloc(1)!), byteCount: count) { memory, _ in
      free(UnsafeMutableRawPointer(mutating: memory))
    }
  }

  private static func exhausted(_ bytes: Int) -> DPQError {
    DPQError(.outOfMemory, "no memory for \(bytes) bytes of input")
  }
}
