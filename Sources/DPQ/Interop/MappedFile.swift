#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Files as memory.
enum MappedFile {
  /// Maps the whole of a regular file, privately and for reading. The descriptor may be closed afterwards.
  ///
  /// Another process that shortens the file while it is mapped ends this one with a bus error: the price of not
  /// copying, as for every program that maps files.
  ///
  /// - Throws: `inputOutput` where the file cannot be mapped.
  static func map(descriptor: Int32, byteCount: Int) throws(DPQError) -> MemoryRegion {
    // An empty file cannot be mapped, and needs no memory.
    if byteCount == 0 {
      return MemoryRegion(base: UnsafeRawPointer(bitPattern: 64)!, byteCount: 0) { _, _ in }
    }
    guard let base = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
      throw DPQError(.inputOutput, "cannot be mapped: \(SystemCall.text())")
    }
    return MemoryRegion(base: base, byteCount: byteCount, isFileMapping: true) { base, count in
      munmap(UnsafeMutableRawPointer(mutating: base), count)
    }
  }
}

extension MemoryRegion {
  /// Memory of the region to change in place, before anyone else has seen it: what readers use to swap bytes or to drop
  /// rows without a second copy. Pages of a mapped file become private copies as they are written; the file stays.
  ///
  /// - Throws: `outOfMemory`.
  func beginEditing() throws(DPQError) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer(mutating: base)
    if isFileMapping, mprotect(memory, byteCount, PROT_READ | PROT_WRITE) != 0 {
      throw DPQError(.outOfMemory, "no memory to change \(byteCount) bytes read from a file: \(SystemCall.text())")
    }
    return memory
  }

  /// Tells the system that `[from, to)` of a mapped file will not be read again soon, so that it stops counting as memory
  /// in use.
  func releasePages(from: Int, to: Int) {
    guard isFileMapping else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (from + page - 1) / page * page
    let last = to / page * page
    if first < last { madvise(UnsafeMutableRawPointer(mutating: base + first), last - first, MADV_DONTNEED) }
  }
}
