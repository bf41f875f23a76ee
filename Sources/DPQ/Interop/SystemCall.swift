#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Errors of the operating system, told in its own words.
enum SystemCall {
  /// Text of `errno` as it stands, "No space left on device".
  static func text(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

  /// Repeats a call that was interrupted by a signal.
  static func retrying(_ call: () -> Int) -> Int {
    while true {
      let result = call()
      if result >= 0 || errno != EINTR { return result }
    }
  }

  /// Opens `path` for reading; `-` is standard input.
  ///
  /// - Throws: `inputNotFound` where there is no such file, `malformedInput` for a folder, else `inputOutput`.
  static func openForReading(_ path: String) throws(DPQError) -> Int32 {
    if path == "-" {
      let descriptor = dup(0)
      if descriptor < 0 { throw DPQError(.inputOutput, "standard input cannot be read: \(text())") }
      return descriptor
    }
    let descriptor = Int32(retrying { Int(open(path, O_RDONLY | O_CLOEXEC)) })
    if descriptor < 0 {
      let code = errno
      if code == ENOENT || code == ENOTDIR {
        throw DPQError(.inputNotFound, "no such file: check the path")
      }
      throw DPQError(.inputOutput, "cannot be opened: \(text(code))")
    }
    var status = stat()
    if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw DPQError(.malformedInput, "is a folder: give a file inside it")
    }
    return descriptor
  }

  /// Bytes of a regular file, or `nil` where the length is not known beforehand (a pipe, a terminal, a device).
  static func regularFileSize(_ descriptor: Int32) -> Int? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }
}
