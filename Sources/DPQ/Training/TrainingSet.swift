/// Rows to learn from: float factors applied (unit rows with the cosine metric), each with a weight.
struct TrainingSet: Sendable {
  let rows: Rows
  /// One factor a row its error counts with, or `nil` for 1.
  let weights: [Float]?
  /// The same for the C kernels.
  let weightMemory: MemoryRegion?
  /// Σ of the weights.
  let totalWeight: Double

  init(rows: Rows, weights: [Float]?) throws(DPQError) {
    self.rows = rows
    self.weights = weights
    self.weightMemory = try weights.map { (weights: [Float]) throws(DPQError) in try MemoryRegion.copy(of: weights) }
    self.totalWeight = weights.map { $0.reduce(0) { $0 + Double($1) } } ?? Double(rows.count)
  }

  /// Every `step`-th row with its weight.
  func every(_ step: Int) throws(DPQError) -> TrainingSet {
    try TrainingSet(
      rows: rows.every(step), weights: weights.map { all in stride(from: 0, to: all.count, by: step).map { all[$0] } })
  }
}
