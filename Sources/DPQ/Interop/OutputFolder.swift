#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Folders that several output files go to.
package enum OutputFolder {
  /// The folder that a file lies in.
  package static func containing(_ path: String) -> String { AtomicFile.folder(of: path) }

  /// Makes the folder `path`, and those above it, where they are not there yet.
  ///
  /// - Throws: `cannotCreateOutput` where a file stands in the way or the folder cannot be made or written.
  package static func create(_ path: String) throws(DPQError) {
    var part = path.hasPrefix("/") ? "/" : ""
    for name in path.split(separator: "/") {
      part += name
      if mkdir(part, 0o777) != 0, errno != EEXIST {
        throw DPQError(.cannotCreateOutput, "cannot be created: \(SystemCall.text())", .init(file: part))
      }
      part += "/"
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw DPQError(.cannotCreateOutput, "is not a folder: name another", .init(file: path))
    }
    guard access(path, W_OK | X_OK) == 0 else {
      throw DPQError(.cannotCreateOutput, "cannot be written: \(SystemCall.text())", .init(file: path))
    }
  }
}
