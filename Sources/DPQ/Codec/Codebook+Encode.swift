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
}
