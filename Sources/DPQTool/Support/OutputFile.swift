import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Checks on a file to be written, made before any work is done; the writers make their own when the time comes.
enum OutputFile {
  /// - Throws: `invalidArgument` where the output is standard output or one of `inputs`; `cannotCreateOutput` where it
  ///   exists and may not be replaced, is a folder, or stands in a folder that cannot be written.
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
      let kind = existing.st_mode & S_IFMT
      guard kind != S_IFDIR else { throw DPQError(.cannotCreateOutput, "is a folder: name a file inside it", place) }
      // Devices and pipes are written straight away.
      guard kind == S_IFREG else { return }
      guard replacing else { throw DPQError(.cannotCreateOutput, "exists: --force replaces it", place) }
    } else if errno == ENAMETOOLONG || errno == ELOOP {
      throw DPQError(.cannotCreateOutput, "cannot be created: \(String(cString: strerror(errno)))", place)
    } else if lstat(path, &existing) == 0 {
      throw DPQError(.cannotCreateOutput, "is a link to a file that is not there: name that file, or remove it", place)
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
