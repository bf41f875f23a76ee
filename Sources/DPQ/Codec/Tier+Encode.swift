extension Tier.Codewords {
  /// Packed codes of all rows, coded block after block; `report` gets the share done.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    switch self {
    case .concat(let codebook): try codebook.encode(rows, threads: threads, report: report)
    case .binary(let basis): try basis.encode(rows, threads: threads, report: report)
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
    let rebuilder = try Rebuilder(self, capacity: block, threads: threads)
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
      let rebuilt = try rebuilder.rows(codes, first: first, count: count)
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

/// Rebuilds rows from packed codes, block after block in the same memory.
struct Rebuilder {
  private enum Work {
    case concat(Codebook)
    case binary(BitCoder, halves: Matrix)
  }
  private let work: Work
  private let output: Matrix
  private let threads: Int

  /// For blocks of up to `capacity` rows.
  init(_ codewords: Tier.Codewords, capacity: Int, threads: Int) throws(DPQError) {
    switch codewords {
    case .concat(let codebook): self.work = .concat(codebook)
    case .binary(let basis):
      let coder = try BitCoder(layout: basis.layout, values: basis.values, bias: basis.bias, threads: threads)
      self.work = .binary(coder, halves: try Matrix(rows: capacity, columns: basis.layout.bits))
    }
    self.output = try Matrix(rows: capacity, columns: codewords.layout.dimension)
    self.threads = threads
  }

  /// What the codes of rows `[first, first + count)` are rebuilt to, until the next call.
  func rows(_ codes: [UInt8], first: Int, count: Int) throws(DPQError) -> Rows {
    switch work {
    case .concat(let codebook):
      try codebook.reconstruct(codes, first: first, count: count, into: output, threads: threads)
    case .binary(let coder, let halves):
      try coder.reconstruct(codes, first: first, count: count, halves: halves, into: output)
    }
    return Rows(output, first: count)
  }
}
