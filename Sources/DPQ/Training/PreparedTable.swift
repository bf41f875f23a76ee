/// A table made ready for training and coding: unit rows, norms and weights as the options ask.
struct PreparedTable: Sendable {
  let table: EmbeddingTable
  /// What codebooks describe: the rows, or with the cosine metric the unit rows.
  let rows: Rows
  /// Lengths of the rows; `nil` unless the metric is cosine.
  let norms: [Float]?
  /// One factor a row, or `nil` for 1. Rows of zeros have no direction and so weigh nothing with the cosine metric.
  let weights: [Float]?

  init(_ table: EmbeddingTable, _ options: CompressionOptions) throws(DPQError) {
    self.table = table
    guard options.metric == .cosine else {
      rows = Rows(table)
      norms = nil
      weights = options.weights
      return
    }
    let norms = try Rows(table).norms(threads: options.threads)
    if let row = norms.firstIndex(of: .infinity) { throw Self.tooLarge(row) }
    let factors = try MemoryRegion.copy(of: norms.map { $0 > 0 ? 1 / $0 : 0 })
    self.norms = norms
    rows = Rows(table, factors: factors)
    guard norms.contains(0) else {
      weights = options.weights
      return
    }
    let given = options.weights
    weights = norms.indices.map { norms[$0] > 0 ? (given?[$0] ?? 1) : 0 }
  }

  /// What to say of a row whose squares or length are beyond float32.
  static func tooLarge(_ row: Int) -> DPQError {
    DPQError(
      .malformedInput, "its values are too large to compute with in float32: scale the table down", .init(row: row))
  }

  /// All rows.
  func all() throws(DPQError) -> TrainingSet { try TrainingSet(rows: rows, weights: weights) }

  /// A copy of the rows `ids`.
  func sample(_ ids: [Int]) throws(DPQError) -> TrainingSet {
    try TrainingSet(rows: rows.gather(ids), weights: weights.map { weights in ids.map { weights[$0] } })
  }
}
