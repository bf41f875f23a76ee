/// What a compression will produce, known before it starts: the tiers and the exact bytes of the file.
public struct CompressionPlan: Sendable {
  /// How rows are coded, ascending by bits a row.
  public let tiers: [TierShape]
  /// What the codebooks describe: rows, or unit rows and norms.
  public let metric: Metric
  /// Bytes of each part of the file: `header`, then the tensors in file order.
  public let sections: [(name: String, bytes: Int)]
  /// Bytes of the whole file.
  public let fileBytes: Int

  /// Bytes of the vocabulary tensors in ``fileBytes``.
  public var vocabularyBytes: Int {
    sections.reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 + $1.bytes : $0 }
  }
  /// Rows of the table.
  public var rows: Int { tiers.reduce(0) { $0 + $1.rows } }
  /// Values of a row.
  public var dimension: Int { tiers[0].layout.dimension }
  /// 4 · rows · dimension.
  public var tableBytes: Int { 4 * rows * dimension }
  /// ``tableBytes`` ÷ (``fileBytes`` − ``vocabularyBytes``).
  public var ratio: Double { Double(tableBytes) / Double(fileBytes - vocabularyBytes) }
  /// The papers' ratio; see ``TierShape/paperRatio(_:)``.
  public var paperRatio: Double { TierShape.paperRatio(tiers) }
  /// Mean bits of a row: its codes, its place in the tier map, and its norm code with the cosine metric.
  public var bitsPerRow: Double { TierShape.bitsPerRow(tiers, metric: metric) }
  /// Bits of the file without its vocabulary for each value of the table.
  public var bitsPerDimension: Double { 32 / ratio }
}
