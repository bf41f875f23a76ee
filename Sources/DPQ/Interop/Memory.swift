#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Immutable bytes shared by value types: a mapped file, or memory allocated once and filled before it is shared.
///
/// `@unchecked Sendable`: after `init` nobody writes to the region, and the last reference frees it.
final class MemoryRegion: @unchecked Sendable {
  let base: UnsafeRawPointer
  let byteCount: Int
  /// Whether the pages are those of a file, mapped privately.
  let isFileMapping: Bool
  private let release: (UnsafeRawPointer, Int) -> Void

  init(
    base: UnsafeRawPointer, byteCount: Int, isFileMapping: Bool = false,
    release: @escaping (UnsafeRawPointer, Int) -> Void
  ) {
    self.base = base
    self.byteCount = byteCount
    self.isFileMapping = isFileMapping
    self.release = release
  }

  deinit { release(base, byteCount) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }
}

/// Aligned, zero-filled scratch memory with one owner; the C kernels want 64-byte alignment.
struct AlignedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int

  /// Allocates `count` elements, all bytes zero.
  ///
  /// Large buffers come straight from the kernel's zero pages, so memory never touched costs nothing. From 4 MB on they
  /// ask for pages of 2 MB, which are faster to walk over, unless only rows here and there may ever be touched (`isSparse`).
  init(count: Int, isSparse: Bool = false) throws(DPQError) {
    let bytes = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    let rounded = (bytes.partialValue &+ 63) & ~63
    var memory: UnsafeMutableRawPointer?
    if bytes.overflow || rounded < 0 {
      memory = nil
    } else if rounded >= 1 << 20 {
      let mapped = mmap(nil, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      memory = mapped == MAP_FAILED ? nil : mapped
      #if canImport(Glibc)
        if let memory, rounded >= 4 << 20, !isSparse { madvise(memory, rounded, MADV_HUGEPAGE) }
      #endif
    } else if posix_memalign(&memory, 64, rounded) == 0 {
      memset(memory!, 0, rounded)
    } else {
      memory = nil
    }
    guard let memory else {
      throw DPQError(.outOfMemory, "no memory for a buffer of \(count) elements")
    }
    self.pointer = memory.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  deinit { Self.free(UnsafeRawPointer(pointer), count) }

  private static func free(_ base: UnsafeRawPointer, _ count: Int) {
    let rounded = (max(count, 1) * MemoryLayout<Element>.stride + 63) & ~63
    if rounded >= 1 << 20 {
      munmap(UnsafeMutableRawPointer(mutating: base), rounded)
    } else {
      #if canImport(Glibc)
        Glibc.free(UnsafeMutableRawPointer(mutating: base))
      #else
        Darwin.free(UnsafeMutableRawPointer(mutating: base))
      #endif
    }
  }

  subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count)
      return pointer[index]
    }
    nonmutating set {
      precondition(index >= 0 && index < count)
      pointer[index] = newValue
    }
  }

  var bufferPointer: UnsafeMutableBufferPointer<Element> { UnsafeMutableBufferPointer(start: pointer, count: count) }

  var span: Span<Element> {
    @_lifetime(borrow self)
    get { _overrideLifetime(Span(_unsafeStart: UnsafePointer(pointer), count: count), borrowing: self) }
  }

  /// Gives the memory up to a region that others may share. The buffer can no longer be written.
  consuming func share() -> MemoryRegion {
    let count = count
    let base = UnsafeRawPointer(pointer)
    discard self
    return MemoryRegion(base: base, byteCount: count * MemoryLayout<Element>.stride) { base, _ in
      Self.free(base, count)
    }
  }
}
