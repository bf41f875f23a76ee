import DPQ

/// Which embedding a model gets.
public struct EmbeddingOptions: Sendable {
  /// What stands in for the table.
  public var kind: EmbeddingKind
  /// Groups of a row, where it is coded.
  public var groups = 25
  /// Codes of a group, where rows are coded.
  public var codes = 8
  /// Whether one codebook serves all groups.
  public var isShared = false
  /// Values start in [−scale, scale); that of the model where `nil`.
  public var scale: Float?

  /// Makes the options of a kind.
  public init(_ kind: EmbeddingKind) { self.kind = kind }

  /// Whether rows have codes.
  public var hasCodes: Bool { kind != .full }

  /// The code layout for rows of `dimension` values, where rows are coded.
  ///
  /// - Throws: `invalidArgument` where the groups do not fit the dimension.
  public func layout(dimension: Int) throws(DPQError) -> CodeLayout? {
    guard hasCodes else { return nil }
    return try CodeLayout(dimension: dimension, groups: groups, codes: codes, isShared: isShared)
  }

  /// Makes the layer that is trained.
  ///
  /// - Throws: `invalidArgument` where the options do not fit the shape; `outOfMemory`.
  public func makeLayer(
    rows: Int, dimension: Int, scale: Float, seed: UInt64, threads: Int
  ) throws(DPQError) -> any EmbeddingLayer {
    _ = try layout(dimension: dimension)
    return try FullEmbedding(
      rows: rows, dimension: dimension, scale: self.scale ?? scale, seed: seed, threads: threads)
  }

  /// What decides the result, in a few words.
  public var summary: String {
    hasCodes ? "\(kind.rawValue) \(groups) x \(codes)\(isShared ? " shared" : "")" : kind.rawValue
  }
}
