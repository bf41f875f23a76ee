/// Text files for the modules above: reports and pictures.
package enum TextFile {
  /// Writes `text` to a file that appears at `path` only when it is complete.
  ///
  /// - Throws: `cannotCreateOutput` where the folder cannot be written, or the file exists and `replacing` is false;
  ///   `inputOutput` where writing fails.
  package static func write(_ text: String, to path: String, replacing: Bool) throws(DPQError) {
    var file = try AtomicFile(path: path, replacing: replacing)
    try file.write(text)
    try file.commit()
  }
}
