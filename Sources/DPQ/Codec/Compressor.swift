/// Learns codebooks for a table and codes its rows.
public struct Compressor: Sendable {
  /// What to make.
  public let options: CompressionOptions

  /// Makes a compressor; options are checked when a table is given.
  public init(_ options: CompressionOptions = CompressionOptions()) {
    self.options = options
  }

  /// Passes over the training rows that a method makes at most where ``CompressionOptions/epochs`` is `nil`.
  public static func defaultEpochs(_ method: CompressionOptions.Method) -> Int {
    switch method {
    case .kmeans: 25
    case .vq, .sx: 20
    }
  }

  /// What compressing `table` would produce: the layout and the exact bytes of the file.
  ///
  /// - Throws: `invalidArgument` where an option is out of range or no layout meets the goal; the message names the
  ///   nearest that would do.
  public func plan(for table: EmbeddingTable) throws(DPQError) -> CompressionPlan {
    throw DPQError(.invalidArgument, "not ready")
  }

  /// Compresses `table`.
  ///
  /// `progress` is called between pieces of work; returning `false` stops with `cancelled`.
  ///
  /// - Throws: as ``plan(for:)``; `outOfMemory`; `cancelled`.
  public func compress(
    _ table: EmbeddingTable, progress: (CompressionProgress) -> Bool = { _ in true }
  ) throws(DPQError) -> Compression {
    throw DPQError(.invalidArgument, "not ready")
  }
}
