#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that appears under its name only when it is complete.
///
/// On Linux the bytes go to a file without a name (`O_TMPFILE`), so a crash or a signal leaves nothing behind; elsewhere
/// to a hidden file beside the target, removed unless ``commit()`` is reached. Devices and pipes are written directly.
struct AtomicFile: ~Copyable {
  private let path: String
  private let folder: String
  private let replacing: Bool
  private let isDirect: Bool
  private var descriptor: Int32
  /// Name of the hidden file, where one is needed.
  private var temporary: String?
  /// Small writes gathered into large ones.
  private var buffer: [UInt8]
  /// Permissions of the file that is replaced.
  private let mode: mode_t?

  private static let bufferBytes = 1 << 18

  /// Starts a file that will be called `path`; what stands there stays until ``commit()``.
  ///
  /// - Throws: `cannotCreateOutput` where the file exists and `replacing` is false, where it is a folder, or where the
  ///   folder cannot be written.
  init(path: String, replacing: Bool) throws(DPQError) {
    var status = stat()
    let exists = stat(path, &status) == 0
    if !exists, errno == ENAMETOOLONG || errno == ELOOP {
      throw DPQError(.cannotCreateOutput, "cannot be created: \(SystemCall.text())", .init(file: path))
    }
    let kind = status.st_mode & S_IFMT
    var file = path
    if exists {
      if kind == S_IFDIR {
        throw DPQError(.cannotCreateOutput, "is a folder: name a file inside it", .init(file: path))
      }
      if kind == S_IFREG && !replacing { throw Self.existing(path) }
      // A link keeps pointing where it did: the file behind it is replaced.
      if let resolved = realpath(path, nil) {
        file = String(cString: resolved)
        free(resolved)
      }
    }
    let folder = Self.folder(of: file)
    let isDirect = exists && kind != S_IFREG
    var descriptor: Int32 = -1
    var temporary: String?
    if isDirect {
      descriptor = open(file, O_WRONLY | O_CLOEXEC)
    } else {
      #if os(Linux)
        // Value of O_TMPFILE on x86-64 and arm64, which the headers hide behind _GNU_SOURCE.
        descriptor = open(folder, 0o20_000_000 | O_DIRECTORY | O_WRONLY | O_CLOEXEC, 0o666 as mode_t)
      #endif
      if descriptor < 0 {
        let name = Self.temporaryName(in: folder)
        descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666 as mode_t)
        temporary = name
      }
    }
    if descriptor < 0 {
      throw DPQError(.cannotCreateOutput, "cannot be created: \(SystemCall.text())", .init(file: path))
    }
    self.buffer = []
    self.path = file
    self.folder = folder
    self.replacing = replacing
    self.isDirect = isDirect
    self.descriptor = descriptor
    self.temporary = temporary
    self.mode = exists && kind == S_IFREG ? status.st_mode & 0o777 : nil
    self.buffer.reserveCapacity(Self.bufferBytes)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    if let temporary { unlink(temporary) }
  }

  /// Appends `bytes`.
  ///
  /// - Throws: `inputOutput`, as when the disk is full.
  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(DPQError) {
    if bytes.count > Self.bufferBytes - buffer.count { try flush() }
    if bytes.count >= Self.bufferBytes {
      try writeThrough(bytes)
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  /// Appends the elements of `span` as they lie in memory.
  mutating func write<Element: BitwiseCopyable>(_ span: Span<Element>) throws(DPQError) {
    try span.withUnsafeBytes { (bytes) throws(DPQError) in try write(bytes) }
  }

  /// Appends the UTF-8 of `text`.
  mutating func write(_ text: String) throws(DPQError) {
    try write(Array(text.utf8).span)
  }

  /// Overwrites bytes from `offset` on, leaving the end of the file where it is.
  mutating func write(at offset: Int, _ bytes: UnsafeRawBufferPointer) throws(DPQError) {
    try flush()
    var done = 0
    while done < bytes.count {
      let part = SystemCall.retrying {
        pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
      }
      if part <= 0 { throw failure() }
      done += part
    }
  }

  /// Puts the finished file under its name, in one step.
  ///
  /// - Throws: `cannotCreateOutput` where a file of that name appeared meanwhile and `replacing` is false; `inputOutput`.
  consuming func commit() throws(DPQError) {
    try flush()
    if isDirect {
      let result = close(descriptor)
      descriptor = -1
      if result != 0 { throw failure() }
      return
    }
    if let mode { fchmod(descriptor, mode) }
    // Without this a power cut may leave a name without contents.
    if fsync(descriptor) != 0 && errno != EINVAL { throw failure() }
    if let name = temporary {
      if replacing {
        if rename(name, path) != 0 { throw failure() }
        temporary = nil
      } else if link(name, path) != 0 {
        throw errno == EEXIST ? Self.existing(path) : failure()
      }
      return
    }
    #if os(Linux)
      let unnamed = "/proc/self/fd/\(descriptor)"
      if linkat(AT_FDCWD, unnamed, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 { return }
      guard errno == EEXIST else { throw failure() }
      guard replacing else { throw Self.existing(path) }
      // A link cannot replace a file: give it a hidden name and rename that.
      let name = Self.temporaryName(in: folder)
      if linkat(AT_FDCWD, unnamed, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0 { throw failure() }
      temporary = name
      if rename(name, path) != 0 { throw failure() }
      temporary = nil
    #endif
  }

  private mutating func flush() throws(DPQError) {
    if buffer.isEmpty { return }
    // Taken out for the call, so that writing borrows no part of self.
    var full: [UInt8] = []
    swap(&full, &buffer)
    try full.span.withUnsafeBytes { (bytes) throws(DPQError) in try writeThrough(bytes) }
    full.removeAll(keepingCapacity: true)
    buffer = full
  }

  private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws(DPQError) {
    var done = 0
    while done < bytes.count {
      // Some systems refuse to write 2 GiB at once.
      let count = min(bytes.count - done, 1 << 30)
      let part = SystemCall.retrying {
        #if canImport(Glibc)
          Glibc.write(descriptor, bytes.baseAddress! + done, count)
        #else
          Darwin.write(descriptor, bytes.baseAddress! + done, count)
        #endif
      }
      if part <= 0 { throw failure() }
      done += part
    }
  }

  private func failure() -> DPQError {
    DPQError(.inputOutput, "cannot be written: \(SystemCall.text())", .init(file: path))
  }

  private static func existing(_ path: String) -> DPQError {
    DPQError(.cannotCreateOutput, "exists already: choose another name or allow it to be replaced", .init(file: path))
  }

  static func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
  }

  private static func temporaryName(in folder: String) -> String {
    var generator = SystemRandomNumberGenerator()
    return "\(folder)/.dpq-\(getpid())-\(String(generator.next(), radix: 36)).tmp"
  }
}
