import CKernels

/// Small entry points of the C core.
enum Kernels {
  /// XXH3-64 as stored in files.
  static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 { dpq_checksum(bytes.baseAddress, bytes.count) }

  /// XXH3-64 of the bytes of `values`.
  static func checksum(_ values: [Float]) -> UInt64 { values.withUnsafeBytes { checksum($0) } }
}

extension CodeLayout {
  /// The layout as the C core takes it.
  var kernelLayout: dpq_layout {
    dpq_layout(dimension: dimension, groups: groups, codes: codes, shared: isShared ? 1 : 0)
  }

  /// Packs `codes`, `[rows][groups]`.
  func pack(_ codes: UnsafeBufferPointer<UInt16>) throws(DPQError) -> [UInt8] {
    let rows = codes.count / groups
    let narrow = dpq_code_bytes(self.codes) == 1 ? codes.map { UInt8(truncatingIfNeeded: $0) } : nil
    var packed = [UInt8](repeating: 0, count: rows * rowBytes)
    var kernelLayout = kernelLayout
    let status =
      if let narrow {
        dpq_codes_pack(&kernelLayout, narrow, rows, 1, &packed)
      } else {
        dpq_codes_pack(&kernelLayout, codes.baseAddress, rows, 1, &packed)
      }
    try DPQError.check(status)
    return packed
  }
}

extension Codebook {
  /// Sets the first `count` rows of `output` to what the packed codes of rows `[first, first + count)` are rebuilt to.
  func reconstruct(
    _ codes: [UInt8], first: Int, count: Int, into output: Matrix, threads: Int
  ) throws(DPQError) {
    precondition(first >= 0 && count >= 0 && (first + count) * layout.rowBytes <= codes.count)
    precondition(count <= output.rows && output.columns == layout.dimension)
    var kernelLayout = layout.kernelLayout
    let (rows, stride, offset) = (output.pointer, layout.dimension, first * layout.rowBytes)
    let status = codes.withUnsafeBufferPointer { codes in
      dpq_reconstruct(&kernelLayout, values, codes.baseAddress! + offset, count, rows, stride, Int32(clamping: threads))
    }
    try DPQError.check(status)
  }
}
