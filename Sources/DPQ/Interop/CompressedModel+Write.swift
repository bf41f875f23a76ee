extension CompressedModel {
  /// Writes the model as a `.dpq` file and returns its bytes.
  ///
  /// The file appears at `path` only when it is complete. Equal models give equal bytes.
  ///
  /// - Throws: `cannotCreateOutput` where the folder cannot be written, or the file exists and `replacing` is false;
  ///   `inputOutput` where writing fails.
  public func write(to path: String, replacing: Bool = false) throws(DPQError) -> Int {
    throw DPQError(.invalidArgument, "not ready")
  }
}
