#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The values that matrices had at one time, in a file without a name: until they are taken back they need no memory.
package final class Snapshot {
  /// What is kept of a matrix, or read of one.
  typealias Part = (name: String, rows: Int, columns: Int, bytes: UnsafeRawBufferPointer)

  /// Where the file lies.
  private let folder: String
  private var descriptor: Int32 = -1
  /// The matrices kept, in the order of the file.
  private(set) var shapes: [(name: String, rows: Int, columns: Int)] = []

  /// Keeps nothing yet.
  ///
  /// - Parameter folder: Where there is room for the values; `TMPDIR` or `/tmp` where `nil`.
  package init(folder: String? = nil) {
    self.folder = folder ?? getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether nothing is kept.
  package var isEmpty: Bool { shapes.isEmpty }

  /// Keeps the values as they are, in place of those kept before.
  ///
  /// - Throws: `inputOutput`, as when the disk is full.
  package func keep(_ tensors: [(name: String, value: Matrix)]) throws(DPQError) {
    try keep(tensors.map { ($0.name, $0.value.rows, $0.value.columns, Self.bytes($0.value)) })
  }

  /// Keeps these values.
  func keep(_ parts: [Part]) throws(DPQError) {
    if descriptor < 0 { descriptor = try open() }
    shapes = []
    var offset = 0
    for (_, _, _, bytes) in parts {
      try transfer(bytes.count) { done, count in
        pwrite(descriptor, bytes.baseAddress! + done, count, off_t(offset + done))
      }
      offset += bytes.count
    }
    shapes = parts.map { ($0.name, $0.rows, $0.columns) }
  }

  /// Sets the matrices to what was kept; they are those that it was kept of. Leaves them alone where nothing was.
  ///
  /// - Throws: `inputOutput`.
  package func restore(_ tensors: [(name: String, value: Matrix)]) throws(DPQError) {
    if isEmpty { return }
    precondition(shapes.elementsEqual(tensors) { $0 == ($1.name, $1.value.rows, $1.value.columns) })
    var offset = 0
    for (_, value) in tensors {
      let target = UnsafeMutableRawPointer(value.pointer)
      try transfer(4 * value.count) { done, count in pread(descriptor, target + done, count, off_t(offset + done)) }
      offset += 4 * value.count
    }
  }

  /// Appends all values to `file`.
  func copy(to file: inout AtomicFile) throws(DPQError) {
    let buffer = try AlignedBuffer<UInt8>(count: 1 << 18)
    let total = shapes.reduce(0) { $0 + 4 * $1.rows * $1.columns }
    for offset in stride(from: 0, to: total, by: buffer.count) {
      let length = min(buffer.count, total - offset)
      try transfer(length) { done, count in pread(descriptor, buffer.pointer + done, count, off_t(offset + done)) }
      try file.write(UnsafeRawBufferPointer(start: buffer.pointer, count: length))
    }
  }

  private static func bytes(_ matrix: Matrix) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: matrix.pointer, count: 4 * matrix.count)
  }

  /// Calls `part` with what is done and how much to do next until `count` bytes are moved.
  private func transfer(_ count: Int, _ part: (Int, Int) -> Int) throws(DPQError) {
    var done = 0
    while done < count {
      // Some systems refuse to move 2 GiB at once.
      let moved = SystemCall.retrying { part(done, min(count - done, 1 << 30)) }
      guard moved > 0 else {
        throw DPQError(.inputOutput, "the best weights cannot be kept: \(SystemCall.text())", .init(file: folder))
      }
      done += moved
    }
  }

  private func open() throws(DPQError) -> Int32 {
    var path = Array("\(folder)/.dpq-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    guard descriptor >= 0 else {
      throw DPQError(.cannotCreateOutput, "nothing can be kept there: \(SystemCall.text())", .init(file: folder))
    }
    unlink(path)
    return descriptor
  }
}
