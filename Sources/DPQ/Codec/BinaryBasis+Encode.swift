extension BinaryBasis {
  /// Most passes over the bits of a row.
  private static let passes = 16

  /// Packed codes of all rows: bits are flipped one by one, in passes over the row, while that brings it nearer.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    let (bits, dimension) = (layout.bits, layout.dimension)
    var codes = [UInt8](repeating: 0, count: rows.count * layout.rowBytes)
    let row = try AlignedBuffer<Float>(count: dimension)
    for i in 0..<rows.count {
      try rows.read(first: i, count: 1, into: row, stride: dimension)
      var rest = (0..<dimension).map { row[$0] - bias[$0] }
      var isSet = [Bool](repeating: false, count: bits)
      var pass = 0
      var moved = true
      while moved && pass < Self.passes {
        moved = false
        for j in 0..<bits {
          let sign: Float = isSet[j] ? -1 : 1
          var (product, norm) = (Float(0), Float(0))
          for c in 0..<dimension {
            let value = values[j * dimension + c]
            product += value * rest[c]
            norm += value * value
          }
          guard norm < 2 * sign * product else { continue }
          for c in 0..<dimension { rest[c] -= sign * values[j * dimension + c] }
          isSet[j].toggle()
          moved = true
        }
        pass += 1
      }
      for j in 0..<bits where isSet[j] { codes[i * layout.rowBytes + j / 8] |= 1 << UInt8(j % 8) }
      if i % 4096 == 4095 { try report(Double(i + 1) / Double(rows.count)) }
    }
    return codes
  }
}
