import CKernels

extension ElementType {
  /// The name of the type in the C core.
  var scalar: dpq_scalar {
    switch self {
    case .float32: dpq_scalar(DPQ_F32)
    case .float16: dpq_scalar(DPQ_F16)
    case .bfloat16: dpq_scalar(DPQ_BF16)
    case .float64: dpq_scalar(DPQ_F64)
    }
  }
}

extension EmbeddingTable {
  /// A view of rows `[first, first + count)` for the C kernels; `scale` (one factor a row of the view) must outlive it.
  /// Valid as long as `storage` is.
  func view(first: Int, count: Int, scale: UnsafePointer<Float>? = nil) -> dpq_rows {
    precondition(first >= 0 && count >= 0 && first + count <= rows)
    return dpq_rows(
      data: storage.base + byteOffset + first * dimension * elementType.byteCount, type: elementType.scalar,
      count: count, dimension: dimension, stride: dimension, scale: scale)
  }

  /// Copies rows `[first, first + count)` as float32 into `output`, row after row.
  ///
  /// - Throws: `unknownRow` outside the table; `invalidArgument` where `output` is not `count × dimension` long.
  public func read(
    first: Int, count: Int, into output: inout MutableSpan<Float>, threads: Int = 1
  ) throws(DPQError) {
    guard first >= 0, count >= 0, first <= rows - count else {
      throw DPQError(.unknownRow, "rows \(first)..<\(first + count) are outside the table of \(rows) rows")
    }
    guard output.count == count * dimension else {
      throw DPQError(.invalidArgument, "\(count) rows of \(dimension) do not fit \(output.count) values")
    }
    var view = view(first: first, count: count)
    let status = output.withUnsafeMutableBufferPointer {
      dpq_rows_read(&view, 0, count, $0.baseAddress, dimension, Int32(threads))
    }
    try DPQError.check(status)
  }

  /// Row `id` as float32.
  ///
  /// - Throws: `unknownRow` outside the table.
  public func row(_ id: Int) throws(DPQError) -> [Float] {
    var values = [Float](repeating: 0, count: dimension)
    var span = values.mutableSpan
    try read(first: id, count: 1, into: &span)
    return values
  }
}

extension DPQError {
  /// Turns a status of the C core into an error; `message` says more than the status where the caller knows more.
  static func check(_ status: dpq_status, _ message: @autoclosure () -> String? = nil) throws(DPQError) {
    if status == DPQ_OK { return }
    let code: Code =
      switch Int(status) {
      case DPQ_ERROR_MEMORY: .outOfMemory
      case DPQ_ERROR_NOT_FOUND: .inputNotFound
      case DPQ_ERROR_IO: .inputOutput
      case DPQ_ERROR_FORMAT: .malformedInput
      case DPQ_ERROR_CORRUPT: .corruptFile
      case DPQ_ERROR_VERSION: .unsupportedVersion
      case DPQ_ERROR_CHECKSUM: .checksumMismatch
      case DPQ_ERROR_RANGE, DPQ_ERROR_NO_VOCABULARY: .unknownRow
      default: .invalidArgument
      }
    throw DPQError(code, message() ?? String(cString: dpq_status_text(status)))
  }
}
