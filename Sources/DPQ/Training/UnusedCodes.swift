/// Restarts the codes of a layer that no row has chosen for a while at random queries of the batch.
struct UnusedCodes {
  private let limit: Int
  private let seed: UInt64
  /// Batches since each code was last chosen, `[codebooks · codes][1]`.
  let idle: Matrix
  /// Batches so far: what the random choices of a batch follow from.
  let batches: Matrix

  init(_ layout: CodeLayout, limit: Int, seed: UInt64) throws(DPQError) {
    self.limit = limit
    self.seed = seed
    idle = try Matrix(rows: layout.codebooks * layout.codes, columns: 1)
    batches = try Matrix(rows: 1, columns: 1)
  }

  /// Counts the codes of a batch, and calls `restart` with each that has been idle for the limit and the coordinates of
  /// the query it starts from.
  func update(_ batch: borrowing LayerBatch, restart: (Int, (Int) -> Float) -> Void) {
    let layout = batch.layout
    guard batch.count > 0 else { return }
    batches[0, 0] += 1
    for k in 0..<idle.rows { idle[k, 0] += 1 }
    for i in 0..<batch.count {
      for j in 0..<layout.groups { idle[(layout.isShared ? 0 : j * layout.codes) + batch.code(i, j), 0] = 0 }
    }
    var generator = SeededGenerator(seed: seed, stream: EmbeddingStream.restarts + UInt64(batches[0, 0]))
    // Of a shared codebook only whole sub-vectors are copied.
    let whole = max(1, layout.dimension / layout.width)
    for k in 0..<idle.rows where idle[k, 0] >= Float(limit) {
      idle[k, 0] = 0
      let i = generator.index(below: batch.count)
      let j = layout.isShared ? generator.index(below: whole) : k / layout.codes
      restart(k) { batch.queryValue(i, j, $0) }
    }
  }
}
