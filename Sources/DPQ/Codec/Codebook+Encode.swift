extension Codebook {
  /// Packed codes of all rows, coded block after block; `report` gets the share done.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    var codes = [UInt8](repeating: 0, count: rows.count * layout.rowBytes)
    var assigner = try Assigner(layout: layout, threads: threads)
    try assigner.load(values)
    let block = Rows.blockRows(layout.dimension)
    for first in stride(from: 0, to: rows.count, by: block) {
      let count = min(block, rows.count - first)
      try assigner.encode(rows.slice(first: first, count: count), into: &codes, first: first)
      try report(Double(first + count) / Double(rows.count))
    }
    return codes
  }

  /// Measures what packed codes of a table are rebuilt to, block after block; `report` gets the share done.
  func measure(
    _ codes: [UInt8], _ norms: CompressedModel.Norms?, against prepared: PreparedTable, threads: Int,
    report: (Double) throws(DPQError) -> Void
  ) throws(DPQError) -> Reconstruction {
    let rows = prepared.table.rows
    let original = Rows(prepared.table)
    let block = min(rows, Rows.blockRows(layout.dimension))
    let comparison = try Rows.Comparison(capacity: block)
    var result = Reconstruction()
    result.values = rows * layout.dimension
    for first in stride(from: 0, to: rows, by: block) {
      let count = min(block, rows - first)
      let rebuilt = try reconstruct(codes, first: first, count: count, threads: threads)
      try prepared.rows.slice(first: first, count: count).compare(rebuilt, into: comparison, threads: threads)
      for i in 0..<count {
        result.objective += comparison.squaredDistance[i] * Double(prepared.weights?[first + i] ?? 1)
      }
      if let norms {
        let lengths = norms.codes[first..<(first + count)].map { norms.codebook[Int($0)] }
        try original.slice(first: first, count: count).compare(
          rebuilt.scaled(by: MemoryRegion.copy(of: lengths)), into: comparison, threads: threads)
      }
      for i in 0..<count { result.add(comparison, i) }
      try report(Double(first + count) / Double(rows))
    }
    return result
  }
}
