/// Keys of a VQ layer as moving averages of the queries that chose them (van den Oord, Vinyals, Kavukcuoglu 2017,
/// appendix A.1).
struct KeyAverages {
  private let decay: Float
  /// Moving average of the number of queries a batch gives a key, `[codebooks · codes][1]`.
  let counts: Matrix
  /// Moving average of their sum, `[codebooks · codes][width]`.
  let sums: Matrix

  init(_ layout: CodeLayout, decay: Float) throws(DPQError) {
    self.decay = decay
    counts = try Matrix(rows: layout.codebooks * layout.codes, columns: 1)
    sums = try Matrix(rows: layout.codebooks * layout.codes, columns: layout.width)
  }

  /// The weight of the distance to keys with which their gradient is what ``update(_:_:)`` needs: the number of queries
  /// times the key, less the sum of the queries.
  static func weight(_ batch: Int, _ layout: CodeLayout) -> Float { Float(batch * layout.dimension) / 2 }

  /// Every key counts as one query that lies on it.
  func restart(from keys: Matrix) {
    for k in 0..<keys.rows { restart(k, from: keys) }
  }

  /// The same for one key.
  func restart(_ k: Int, from keys: Matrix) {
    counts[k, 0] = 1
    for c in 0..<keys.columns { sums[k, c] = keys[k, c] }
  }

  /// Takes a batch in, and moves the keys.
  func update(_ keys: Parameter, _ batch: borrowing LayerBatch) {
    let layout = batch.layout
    var chosen = [Int](repeating: 0, count: counts.rows)
    for i in 0..<batch.count {
      for j in 0..<layout.groups { chosen[(layout.isShared ? 0 : j * layout.codes) + batch.code(i, j)] += 1 }
    }
    for k in 0..<counts.rows {
      let count = Float(chosen[k])
      counts[k, 0] += (1 - decay) * (count - counts[k, 0])
      for c in 0..<sums.columns {
        let sum = count * keys.value[k, c] - keys.gradient[k, c]
        sums[k, c] += (1 - decay) * (sum - sums[k, c])
        // A key that nothing chose keeps its place until its count underflows, and then too.
        if counts[k, 0] > 1e-30 { keys.value[k, c] = sums[k, c] / counts[k, 0] }
      }
    }
  }
}
