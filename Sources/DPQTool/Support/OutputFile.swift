import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Checks on a file to be written, made before any work is done; the writers make their own when the time comes.
enum OutputFile {
  /// - Throws: `invalidArgument` where the output is standard output or one of `inputs`; `cannotCreateOutput` where it
  ///   exists and may not be replaced, is no regular file, or its folder cannot be written.
  static func check(_ path: String, replacing: Bool, inputs: [String]) throws(DPQError) {
    let place = DPQError.Context(file: path)
    guard path != "-", !path.isEmpty else {
      throw DPQError(.invalidArgument, "output goes to a file: name one with --output")
    }
    var existing = stat()
    if stat(path, &existing) == 0 {
      for input in inputs {
        var other = stat()
        if stat(input, &other) == 0, other.st_dev == existing.st_dev, other.st_ino == existing.st_ino {
          throw DPQError(.invalidArgument, "is an input of this command: write to another file", place)
        }
      }
      guard existing.st_mode & S_IFMT == S_IFREG else {
        throw DPQError(.cannotCreateOutput, "is not a regular file: name another one", place)
      }
      guard replacing else { throw DPQError(.cannotCreateOutput, "exists: --force replaces it", place) }
    }
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) + "/" } ?? "."
    guard access(folder, W_OK | X_OK) == 0 else {
      throw DPQError(.cannotCreateOutput, "its folder cannot be written: \(String(cString: strerror(errno)))", place)
    }
  }

  /// Bytes of a file, 0 where there is none.
  static func size(of path: String) -> Int {
    var existing = stat()
    return stat(path, &existing) == 0 ? Int(existing.st_size) : 0
  }
}
