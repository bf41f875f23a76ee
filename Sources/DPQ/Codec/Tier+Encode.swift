extension Tier.Codewords {
  /// Packed codes of all rows, coded block after block; `report` gets the share done.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    switch self {
    case .concat(let codebook): try codebook.encode(rows, threads: threads, report: report)
    case .binary(let basis): try basis.encode(rows, threads: threads, report: report)
    }
  }

  /// Rebuilds rows `[first, first + count)` from packed codes.
  func reconstruct(_ codes: [UInt8], first: Int, count: Int, threads: Int) throws(DPQError) -> Rows {
    switch self {
    case .concat(let codebook): try codebook.reconstruct(codes, first: first, count: count, threads: threads)
    case .binary(let basis): try basis.reconstruct(codes, first: first, count: count, threads: threads)
    }
  }

  /// Measures what packed codes of rows of a table are rebuilt to, block after block; `report` gets the share done.
  ///
  /// The codes are those of the rows `ids`, or of all rows where `ids` is `nil`.
  func measure(
    _ codes: [UInt8], of ids: [Int]? = nil, _ norms: CompressedModel.Norms?, against prepared: PreparedTable,
    threads: Int, into result: inout Reconstruction, report: (Double) throws(DPQError) -> Void
  ) throws(DPQError) {
    let rows = ids?.count ?? prepared.rows.count
    let original = Rows(prepared.table)
    let block = max(1, min(rows, Rows.blockRows(layout.dimension)))
    let comparison = try Rows.Comparison(capacity: block)
    result.values += rows * layout.dimension
    for first in stride(from: 0, to: rows, by: block) {
      let count = min(block, rows - first)
      func part(_ rows: Rows) throws(DPQError) -> Rows {
        if let ids {
          try rows.gather(Array(ids[first..<(first + count)]))
        } else {
          rows.slice(first: first, count: count)
        }
      }
      func id(_ i: Int) -> Int { ids?[first + i] ?? first + i }
      let rebuilt = try reconstruct(codes, first: first, count: count, threads: threads)
      try part(prepared.rows).compare(rebuilt, into: comparison, threads: threads)
      for i in 0..<count {
        let weight = Double(prepared.weights?[id(i)] ?? 1)
        result.objective += comparison.squaredDistance[i] * weight
        result.weightedNorm += comparison.squaredNorm[i] * weight
      }
      if let norms {
        let lengths = (0..<count).map { norms.codebook[Int(norms.codes[id($0)])] }
        try part(original).compare(
          rebuilt.scaled(by: MemoryRegion.copy(of: lengths)), into: comparison, threads: threads)
      }
      for i in 0..<count { result.add(comparison, i) }
      try report(Double(first + count) / Double(rows))
    }
  }
}
