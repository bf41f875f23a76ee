import CKernels

extension Rows {
  /// A copy of rows `[first, first + count)` of any table.
  init<Source: RowSource & ~Copyable>(
    _ source: borrowing Source, first: Int, count: Int, threads: Int
  ) throws(DPQError) {
    let buffer = try AlignedBuffer<Float>(count: count * source.dimension)
    var span = MutableSpan(_unsafeElements: buffer.bufferPointer)
    try source.read(first: first, count: count, into: &span, threads: threads)
    self.init(memory: buffer.share(), count: count, dimension: source.dimension)
  }

  /// These rows as unit rows in float32, without gaps; rows of zeros stay zeros.
  func unit(into output: borrowing AlignedBuffer<Float>, row: Int = 0, threads: Int) throws(DPQError) {
    let factors = try MemoryRegion.copy(of: norms(threads: threads).map { $0 > 0 ? 1 / $0 : 0 })
    try scaled(by: factors).read(
      first: 0, count: count, into: output, row: row, stride: dimension, threads: threads)
  }
}

/// Exact search by cosine for many rows at once.
enum NearestRows {
  /// The ids of the `count` rows nearest to each of the rows `ids`, itself left out, best first.
  static func find<Source: RowSource & ~Copyable>(
    _ ids: [Int], in source: borrowing Source, count: Int, threads: Int
  ) throws(DPQError) -> [[Int]] {
    let dimension = source.dimension
    let queries = try AlignedBuffer<Float>(count: ids.count * dimension)
    for (i, id) in ids.enumerated() {
      try Rows(source, first: id, count: 1, threads: 1).unit(into: queries, row: i, threads: 1)
    }
    let block = min(source.rows, 2048)
    let units = try AlignedBuffer<Float>(count: block * dimension)
    let scores = try AlignedBuffer<Float>(count: ids.count * block)
    var best = ids.map { _ in BestRows(count: count) }
    for first in stride(from: 0, to: source.rows, by: block) {
      let size = min(block, source.rows - first)
      try Rows(source, first: first, count: size, threads: threads).unit(into: units, threads: threads)
      var product = dpq_product(
        m: ids.count, n: size, k: dimension, lda: dimension, ldb: dimension, ldc: block, transpose_a: 0, transpose_b: 1,
        accumulate: 0)
      try DPQError.check(
        dpq_matrix_multiply(
          &product, queries.pointer, units.pointer, nil, scores.pointer, Int32(clamping: threads)))
      for i in ids.indices {
        let row = scores.pointer + i * block
        var threshold = best[i].threshold
        for j in 0..<size where Double(row[j]) > threshold && first + j != ids[i] {
          best[i].offer(id: first + j, score: Double(row[j]))
          threshold = best[i].threshold
        }
      }
    }
    return best.map { $0.rows.map(\.id) }
  }
}
