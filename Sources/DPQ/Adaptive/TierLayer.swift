/// An embedding layer over a table of queries that it may share with others, any of whose rows can become a tier.
protocol TierLayer: EmbeddingLayer {
  /// The table of queries; its gradient is that by this layer's outputs alone.
  var query: Parameter { get }
  /// How rows are coded.
  var tierLayout: TierLayout { get }

  /// The rows `ids` as they would be stored.
  ///
  /// - Throws: `invalidArgument` where a value is not finite; `outOfMemory`.
  func tier(of ids: [Int32]) throws(DPQError) -> Tier

  /// Takes codewords trained on the rows of `table`.
  ///
  /// - Throws: `nonFiniteValue` for a table that holds a value that is not finite; `outOfMemory`.
  func start(from table: EmbeddingTable, seed: UInt64, threads: Int) throws(DPQError)
}
