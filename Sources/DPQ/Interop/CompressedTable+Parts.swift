import CKernels

extension CompressedTable {
  /// The codewords, copied.
  ///
  /// - Throws: `invalidArgument` where one is not finite.
  public func codebook() throws(DPQError) -> Codebook {
    let values = UnsafeBufferPointer(start: dpq_table_codebook(handle, 0), count: layout.codebookCount)
    return try Codebook(layout: layout, values: [Float](values), storage: codebookStorage)
  }

  /// The packed codes, copied: `rows × layout.rowBytes` bytes, least significant bit first.
  public func codes() -> [UInt8] { section("tier.0.codes").map { [UInt8]($0) } ?? [] }

  /// How often each code stands in each group: `[groups][codes]`.
  ///
  /// - Throws: `outOfMemory` where there are more than 2²⁷ counts: a shared codebook lets a small file ask for any number.
  public func codeUse() throws(DPQError) -> [[Int]] {
    guard layout.groups <= (1 << 27) / layout.codes else {
      throw DPQError(
        .outOfMemory, "the use of \(layout.codes) codes in \(layout.groups) groups is too much to count",
        .init(file: path))
    }
    var use = [Int](repeating: 0, count: layout.groups * layout.codes)
    let codes = section("tier.0.codes")?.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let (groups, count, rowBytes) = (layout.groups, layout.codes, layout.rowBytes)
    let block = max(1, min(rows, 65_536 / groups))
    let elementBytes = dpq_code_bytes(count)
    let unpacked = try AlignedBuffer<UInt8>(count: block * groups * elementBytes)
    var kernelLayout = layout.kernelLayout
    for first in stride(from: 0, to: rows, by: block) {
      let length = min(block, rows - first)
      try DPQError.check(
        dpq_codes_unpack(&kernelLayout, codes.map { $0 + first * rowBytes }, length, 1, unpacked.pointer))
      use.withUnsafeMutableBufferPointer { use in
        let wide = UnsafeRawPointer(unpacked.pointer).assumingMemoryBound(to: UInt16.self)
        for row in 0..<length {
          for group in 0..<groups {
            let i = row * groups + group
            let code = elementBytes == 1 ? Int(unpacked.pointer[i]) : Int(wide[i])
            use[group * count + code] += 1
          }
        }
      }
    }
    return (0..<groups).map { Array(use[$0 * count..<($0 + 1) * count]) }
  }

  /// Quantised lengths of the rows, copied; `nil` unless ``metric`` is cosine.
  public func norms() -> CompressedModel.Norms? {
    guard let codebook = section("norm.codebook"), let codes = section("norm.codes") else { return nil }
    return CompressedModel.Norms(
      codebook: [Float](codebook.assumingMemoryBound(to: Float.self)), codes: [UInt8](codes))
  }
}
