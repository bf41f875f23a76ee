import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Standard output, buffered; errors of writing are not lost.
struct StandardOutput: ~Copyable {
  private var buffer: [UInt8] = []
  private static let capacity = 1 << 16

  /// Appends `text`.
  mutating func write(_ text: String) throws(DPQError) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.capacity { try flush() }
  }

  /// Appends `text` and a line feed.
  mutating func line(_ text: String = "") throws(DPQError) {
    try write(text)
    try write("\n")
  }

  /// Hands everything to the system.
  ///
  /// - Throws: `inputOutput` where it does not take it.
  mutating func flush() throws(DPQError) {
    let failed = buffer.withUnsafeBytes { writeAll($0, to: STDOUT_FILENO) }
    if let failed {
      throw DPQError(.inputOutput, "cannot write: \(String(cString: strerror(failed)))", .init(file: "standard output"))
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// Standard error: errors, notes, progress.
enum StandardError {
  /// Writes `text` at once.
  static func write(_ text: String) {
    var text = text
    text.withUTF8 { _ = writeAll(UnsafeRawBufferPointer($0), to: STDERR_FILENO) }
  }

  /// Writes `text` as a line.
  static func line(_ text: String) { write(text + "\n") }

  /// Whether a person is likely watching.
  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Columns of the terminal, 80 where it does not tell.
  static var columns: Int {
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return known ? Int(size.ws_col) : 80
  }
}

/// Writes all of `bytes`; the error number where the system refuses.
private func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Int32? {
  var done = 0
  while done < bytes.count {
    let count = write(file, bytes.baseAddress! + done, bytes.count - done)
    if count < 0 {
      if errno == EINTR { continue }
      return errno
    }
    done += count
  }
  return nil
}
