#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where the bytes of a ``ByteStream`` come from.
protocol ByteSource: AnyObject {
  /// Fills a part of `buffer` from the front and returns how much; 0 at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int
}

/// Bytes read in order through a window that can be looked at before it is consumed.
struct ByteStream: ~Copyable {
  private let source: any ByteSource
  private let buffer: UnsafeMutablePointer<UInt8>
  private var start = 0
  private var end = 0
  private var hasEnded = false
  /// Offset in the stream of the first byte of ``window``.
  private(set) var position = 0

  /// The longest window, and so the longest line of a text table or word list.
  static let capacity = 1 << 24

  /// Reads `source` from its start.
  init(_ source: any ByteSource) throws(DPQError) {
    self.source = source
    // Pages of the window that are never reached cost nothing.
    guard let memory = mmap(nil, Self.capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { throw DPQError(.outOfMemory, "no memory for reading") }
    buffer = memory.bindMemory(to: UInt8.self, capacity: Self.capacity)
  }

  deinit { munmap(buffer, Self.capacity) }

  /// The bytes read but not consumed.
  var window: Span<UInt8> {
    @_lifetime(borrow self)
    get { _overrideLifetime(Span(_unsafeStart: UnsafePointer(buffer + start), count: end - start), borrowing: self) }
  }

  /// ``window`` for C code, for the length of the call.
  func withWindow<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
    body(UnsafeBufferPointer(start: buffer + start, count: end - start))
  }

  /// Whether no byte is left.
  var isAtEnd: Bool { hasEnded && start == end }

  /// Reads until ``window`` holds at least `count` bytes or the stream has ended; `count` is at most ``capacity``.
  mutating func fill(_ count: Int) throws(DPQError) {
    precondition(count <= Self.capacity)
    if end - start >= count { return }
    // Moving what is left to the front keeps the window in few, warm pages; it pays while that is the smaller part.
    if start > 0 && (end - start <= start || Self.capacity - start < count + Self.block) {
      memmove(buffer, buffer + start, end - start)
      end -= start
      start = 0
    }
    while end - start < count && !hasEnded {
      // A block at a time, so that short windows stay in the cache and touch few pages.
      let room = min(Self.capacity - end, max(Self.block, count - (end - start)))
      let part = try source.read(into: UnsafeMutableRawBufferPointer(start: buffer + end, count: room))
      if part == 0 { hasEnded = true }
      end += part
    }
  }

  private static let block = 1 << 18

  /// Consumes `count` bytes of ``window``.
  mutating func skip(_ count: Int) {
    precondition(count >= 0 && count <= end - start)
    start += count
    position += count
    if start == end {
      start = 0
      end = 0
    }
  }

  /// Copies the next bytes to `output` and consumes them; returns how many there were, fewer than asked only at the end.
  mutating func read(into output: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int {
    var done = min(output.count, end - start)
    if done > 0 { memcpy(output.baseAddress!, buffer + start, done) }
    skip(done)
    while done < output.count && !hasEnded {
      if output.count - done < Self.block {
        try fill(output.count - done)
        let part = min(output.count - done, end - start)
        if part > 0 { memcpy(output.baseAddress! + done, buffer + start, part) }
        skip(part)
        done += part
      } else {
        // Large reads need no detour through the window.
        let part = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: output[done...]))
        if part == 0 { hasEnded = true }
        position += part
        done += part
      }
    }
    return done
  }

  /// Makes the window start with a whole line and returns its length without the `\n`, or `nil` at the end of the stream.
  /// The caller consumes it with ``skipLine(_:)``.
  ///
  /// - Throws: `malformedInput` for a line longer than the window.
  mutating func findLine() throws(DPQError) -> Int? {
    var searched = 0
    while true {
      let count = end - start
      if count > searched, let found = memchr(buffer + start + searched, 0x0A, count - searched) {
        return found - UnsafeMutableRawPointer(buffer + start)
      }
      if hasEnded { return count == 0 ? nil : count }
      searched = count
      if count == Self.capacity {
        throw DPQError(
          .malformedInput, "a line is longer than \(Self.capacity) bytes: this is not a text table or word list",
          .init(byte: position))
      }
      try fill(min(max(2 * count, 1), Self.capacity))
    }
  }

  /// Consumes a line of `count` bytes and the `\n` after it, if there is one.
  mutating func skipLine(_ count: Int) {
    skip(min(count + 1, end - start))
  }

  /// Everything that is left, in memory.
  mutating func readAll() throws(DPQError) -> MemoryRegion {
    var memory = GrowableMemory()
    while true {
      let room = try memory.extend(by: 1 << 20)
      let part = try read(into: room)
      memory.shrink(by: room.count - part)
      if part < room.count { return memory.share() }
    }
  }
}

/// An open file; closed with the last reference.
final class FileSource: ByteSource {
  let descriptor: Int32
  init(descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int {
    let count = SystemCall.retrying {
      #if canImport(Glibc)
        Glibc.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
      #else
        Darwin.read(descriptor, buffer.baseAddress, min(buffer.count, 1 << 30))
      #endif
    }
    if count < 0 { throw DPQError(.inputOutput, "cannot be read: \(SystemCall.text())") }
    return count
  }
}

/// A part of memory.
final class MemorySource: ByteSource {
  private let region: MemoryRegion
  private var next: Int
  private let end: Int

  init(_ region: MemoryRegion, _ range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= region.byteCount)
    self.region = region
    next = range.lowerBound
    end = range.upperBound
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int {
    let count = min(buffer.count, end - next)
    if count > 0 { memcpy(buffer.baseAddress!, region.base + next, count) }
    next += count
    return count
  }
}
