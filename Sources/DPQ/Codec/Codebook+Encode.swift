/// How far rebuilt rows are from the table.
struct Reconstruction {
  /// Σ w·‖x − x̂‖² of what codebooks describe: rows, or unit rows with the cosine metric.
  var objective = 0.0
  var squaredError = 0.0
  var squaredNorm = 0.0
  var cosines = 0.0
  var cosineRows = 0
  var values = 0

  var mse: Double { values == 0 ? 0 : squaredError / Double(values) }
  var relativeError: Double { squaredNorm > 0 ? squaredError / squaredNorm : (squaredError > 0 ? .infinity : 0) }
  var cosineMean: Double { cosineRows == 0 ? 1 : cosines / Double(cosineRows) }
}

extension Codebook {
  /// Codes all rows, block after block, and measures what they are rebuilt to.
  func encode(
    _ prepared: PreparedTable, norms: CompressedModel.Norms?, threads: Int,
    report: (Double) throws(DPQError) -> Void
  ) throws(DPQError) -> (codes: [UInt8], error: Reconstruction) {
    let table = prepared.table
    let original = Rows(table)
    var codes = [UInt8](repeating: 0, count: table.rows * layout.rowBytes)
    var assigner = try Assigner(layout: layout, threads: threads)
    try assigner.load(values)
    let block = min(table.rows, max(64, (1 << 20) / layout.dimension))
    let comparison = try Rows.Comparison(capacity: block)
    var result = Reconstruction()
    result.values = table.rows * layout.dimension
    for first in stride(from: 0, to: table.rows, by: block) {
      let count = min(block, table.rows - first)
      try assigner.encode(prepared.rows.slice(first: first, count: count), into: &codes, first: first)
      let rebuilt = try reconstruct(codes, first: first, count: count, threads: threads)
      let part = original.slice(first: first, count: count)
      if let norms {
        try prepared.rows.slice(first: first, count: count).compare(rebuilt, into: comparison, threads: threads)
        for i in 0..<count {
          result.objective += comparison.squaredDistance[i] * Double(prepared.weights?[first + i] ?? 1)
        }
        let lengths = norms.codes[first..<(first + count)].map { norms.codebook[Int($0)] }
        try part.compare(rebuilt.scaled(by: MemoryRegion.copy(of: lengths)), into: comparison, threads: threads)
      } else {
        try part.compare(rebuilt, into: comparison, threads: threads)
      }
      for i in 0..<count {
        let distance = comparison.squaredDistance[i]
        if norms == nil { result.objective += distance * Double(prepared.weights?[first + i] ?? 1) }
        result.squaredError += distance
        result.squaredNorm += comparison.squaredNorm[i]
        if comparison.squaredNorm[i] > 0 {
          let lengths = (comparison.squaredNorm[i] * comparison.otherSquaredNorm[i]).squareRoot()
          result.cosines += lengths > 0 ? comparison.dot[i] / lengths : 0
          result.cosineRows += 1
        }
      }
      try report(Double(first + count) / Double(table.rows))
    }
    return (codes, result)
  }
}
