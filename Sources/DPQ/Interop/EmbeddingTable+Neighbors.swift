extension EmbeddingTable {
  /// The `count` rows nearest to `query`, best first, the lower id first among equals, without row `excluding`.
  ///
  /// Every row is compared, in float64, block after block. Complexity: O(rows · dimension).
  ///
  /// - Throws: `invalidArgument` where the query is not `dimension` long or holds a value that is not finite.
  public func neighbors(
    of query: Span<Float>, count: Int, similarity: Similarity = .cosine, excluding: Int? = nil, threads: Int = 0
  ) throws(DPQError) -> [Neighbor] {
    guard query.count == dimension, count >= 0 else {
      throw DPQError(.invalidArgument, "a query of \(query.count) values does not fit rows of \(dimension)")
    }
    let block = min(max(rows, 1), 1024)
    // The query once for each row of a block, because the kernel compares tables row by row.
    let copies = try AlignedBuffer<Float>(count: block * dimension)
    for c in query.indices {
      guard query[c].isFinite else { throw DPQError(.invalidArgument, "value \(c) of the query is not finite") }
      for i in 0..<block { copies[i * dimension + c] = query[c] }
    }
    let queries = Rows(memory: copies.share(), count: block, dimension: dimension)
    let comparison = try Rows.Comparison(capacity: block)
    var best = BestRows(count: min(count, rows))
    for first in stride(from: 0, to: rows, by: block) {
      let size = min(block, rows - first)
      try queries.slice(first: 0, count: size).compare(
        Rows(self).slice(first: first, count: size), into: comparison, threads: threads)
      for i in 0..<size where first + i != excluding {
        let score: Double
        switch similarity {
        case .dot: score = comparison.dot[i]
        case .l2: score = -comparison.squaredDistance[i]
        case .cosine:
          let lengths = (comparison.squaredNorm[i] * comparison.otherSquaredNorm[i]).squareRoot()
          score = lengths > 0 ? comparison.dot[i] / lengths : 0
        }
        best.offer(id: first + i, score: score)
      }
    }
    return best.rows.map { Neighbor(id: $0.id, score: Float(similarity == .l2 ? -$0.score : $0.score)) }
  }
}
