extension Tier.Codewords {
  /// Packed codes of all rows, coded block after block; `report` gets the share done.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    switch self {
    case .concat(let codebook): try codebook.encode(rows, threads: threads, report: report)
    case .binary(let basis): try basis.encode(rows, threads: threads, report: report)
    }
  }
}
