import CKernels

/// A view of table rows that keeps their memory alive, with an optional factor a row.
struct Rows: @unchecked Sendable {
  private let memory: MemoryRegion
  private let factors: MemoryRegion?
  private let view: dpq_rows

  /// Number of rows.
  var count: Int { view.count }
  /// Values of a row.
  var dimension: Int { view.dimension }
  /// Bytes of a row as stored.
  var rowBytes: Int { dimension * dpq_scalar_bytes(view.type) }

  /// Rows of `dimension` values that make a block of work: about four megabytes of float32.
  static func blockRows(_ dimension: Int) -> Int { max(64, (1 << 20) / dimension) }

  /// All rows of `table`, each multiplied by its factor (of float32, `table.rows` of them).
  init(_ table: EmbeddingTable, factors: MemoryRegion? = nil) {
    self.memory = table.storage
    self.factors = factors
    self.view = table.view(
      first: 0, count: table.rows, scale: factors.map { $0.base.assumingMemoryBound(to: Float.self) })
  }

  private init(memory: MemoryRegion, factors: MemoryRegion?, view: dpq_rows) {
    self.memory = memory
    self.factors = factors
    self.view = view
  }

  /// float32 rows in `memory`, without gaps.
  init(memory: MemoryRegion, count: Int, dimension: Int) {
    precondition(memory.byteCount >= 4 * count * dimension)
    self.init(
      memory: memory, factors: nil,
      view: dpq_rows(
        data: memory.base, type: dpq_scalar(DPQ_F32), count: count, dimension: dimension, stride: dimension, scale: nil)
    )
  }

  /// The first `count` rows of `matrix`, as they are when they are read.
  init(_ matrix: Matrix, first count: Int) {
    precondition(count >= 0 && count <= matrix.rows)
    let memory = MemoryRegion(base: UnsafeRawPointer(matrix.pointer), byteCount: 4 * matrix.count) { _, _ in
      withExtendedLifetime(matrix) {}
    }
    self.init(memory: memory, count: count, dimension: matrix.columns)
  }

  /// Rows `[first, first + count)`.
  func slice(first: Int, count: Int) -> Rows {
    precondition(first >= 0 && count >= 0 && first <= self.count - count)
    var part = view
    part.data = view.data + first * view.stride * dpq_scalar_bytes(view.type)
    part.count = count
    part.scale = view.scale.map { $0 + first }
    return Rows(memory: memory, factors: factors, view: part)
  }

  /// Every `step`-th row, from row 0 on, where it lies.
  func every(_ step: Int) throws(DPQError) -> Rows {
    precondition(step >= 1)
    var part = view
    part.count = (count + step - 1) / step
    part.stride = view.stride * step
    guard let source = view.scale else { return Rows(memory: memory, factors: factors, view: part) }
    let scale = try AlignedBuffer<Float>(count: part.count)
    for i in 0..<part.count { scale[i] = source[i * step] }
    return Rows(memory: memory, factors: nil, view: part).scaled(by: scale.share())
  }

  /// The same rows with a factor each (of float32, `count` of them) in place of the one they had.
  func scaled(by factors: MemoryRegion) -> Rows {
    precondition(factors.byteCount >= 4 * count)
    var scaled = view
    scaled.scale = factors.base.assumingMemoryBound(to: Float.self)
    return Rows(memory: memory, factors: factors, view: scaled)
  }

  /// Columns `[first, first + count)` of the rows.
  func columns(first: Int, count: Int) -> Rows {
    precondition(first >= 0 && count >= 1 && first <= dimension - count)
    var part = view
    part.data = view.data + first * dpq_scalar_bytes(view.type)
    part.dimension = count
    return Rows(memory: memory, factors: factors, view: part)
  }

  /// A copy of the rows `ids` in the type they are stored in, with their factors.
  func gather(_ ids: [Int]) throws(DPQError) -> Rows {
    let bytes = try AlignedBuffer<UInt8>(count: ids.count * rowBytes)
    let scale = try AlignedBuffer<Float>(count: view.scale == nil ? 0 : ids.count)
    let stride = view.stride * dpq_scalar_bytes(view.type)
    for (i, id) in ids.enumerated() {
      precondition(id >= 0 && id < count)
      UnsafeMutableRawPointer(bytes.pointer + i * rowBytes).copyMemory(
        from: view.data + id * stride, byteCount: rowBytes)
      if let source = view.scale { scale[i] = source[id] }
    }
    var copy = view
    let memory = bytes.share()
    let factors = scale.share()
    copy.data = memory.base
    copy.count = ids.count
    copy.stride = dimension
    copy.scale = view.scale == nil ? nil : factors.base.assumingMemoryBound(to: Float.self)
    return Rows(memory: memory, factors: factors, view: copy)
  }

  /// Columns `[starts[i], starts[i] + width)` of row `ids[i]` for every i, as float32 rows.
  func gather(_ ids: [Int], columns starts: [Int], width: Int) throws(DPQError) -> Rows {
    let values = try AlignedBuffer<Float>(count: ids.count * width)
    let row = try AlignedBuffer<Float>(count: dimension)
    for (i, id) in ids.enumerated() {
      precondition(starts[i] >= 0 && starts[i] + width <= dimension)
      try read(first: id, count: 1, into: row, stride: dimension)
      (values.pointer + i * width).update(from: row.pointer + starts[i], count: width)
    }
    return Rows(memory: values.share(), count: ids.count, dimension: width)
  }

  /// Calls `body` with the view; the memory stays alive until it returns.
  func with(_ body: (UnsafePointer<dpq_rows>) -> dpq_status) throws(DPQError) {
    let status = withExtendedLifetime((memory, factors)) { withUnsafePointer(to: view, body) }
    try DPQError.check(status)
  }

  /// Copies rows `[first, first + count)` as float32 to row `target` on of `output`, whose rows are `stride` long.
  func read(
    first: Int, count: Int, into output: borrowing AlignedBuffer<Float>, row target: Int = 0, stride: Int,
    threads: Int = 1
  ) throws(DPQError) {
    precondition(stride >= dimension && (target + count) * stride <= output.count)
    let pointer = output.pointer + target * stride
    try with { dpq_rows_read($0, first, count, pointer, stride, Int32(clamping: threads)) }
  }

  /// The first row with a NaN or an infinity, or `nil`.
  func firstNonFinite(threads: Int) throws(DPQError) -> Int? {
    var row = 0
    try withUnsafeMutablePointer(to: &row) { (out: UnsafeMutablePointer<Int>) throws(DPQError) in
      try with { dpq_rows_find_non_finite($0, Int32(clamping: threads), out) }
    }
    return row < count ? row : nil
  }

  /// The length of every row, without its factor; 0 only for a row of zeros.
  func norms(threads: Int) throws(DPQError) -> [Float] {
    var norms: [Float] = []
    norms.reserveCapacity(count)
    let block = 4096
    let squares = try AlignedBuffer<Double>(count: min(block, count))
    let target = squares.pointer
    for first in stride(from: 0, to: count, by: block) {
      var part = slice(first: first, count: min(block, count - first)).view
      part.scale = nil
      let status = dpq_rows_compare(&part, &part, Int32(clamping: threads), nil, nil, target, nil)
      try DPQError.check(status)
      for i in 0..<part.count {
        norms.append(target[i] > 0 ? max(Float(target[i].squareRoot()), .leastNormalMagnitude) : 0)
      }
    }
    withExtendedLifetime(memory) {}
    return norms
  }

  /// What a comparison of two tables gives for each row.
  struct Comparison: ~Copyable {
    let squaredDistance: AlignedBuffer<Double>
    let dot: AlignedBuffer<Double>
    let squaredNorm: AlignedBuffer<Double>
    let otherSquaredNorm: AlignedBuffer<Double>

    /// Room for `capacity` rows.
    init(capacity: Int) throws(DPQError) {
      let squaredDistance = try AlignedBuffer<Double>(count: capacity)
      let dot = try AlignedBuffer<Double>(count: capacity)
      let squaredNorm = try AlignedBuffer<Double>(count: capacity)
      let otherSquaredNorm = try AlignedBuffer<Double>(count: capacity)
      self.squaredDistance = squaredDistance
      self.dot = dot
      self.squaredNorm = squaredNorm
      self.otherSquaredNorm = otherSquaredNorm
    }
  }

  /// Compares these rows with as many of `other`, in float64.
  func compare(_ other: Rows, into result: borrowing Comparison, threads: Int) throws(DPQError) {
    precondition(other.count == count && other.dimension == dimension && result.dot.count >= count)
    let distance = result.squaredDistance.pointer
    let dot = result.dot.pointer
    let norm = result.squaredNorm.pointer
    let otherNorm = result.otherSquaredNorm.pointer
    try with { a in
      withUnsafePointer(to: other.view) {
        dpq_rows_compare(a, $0, Int32(clamping: threads), distance, dot, norm, otherNorm)
      }
    }
    withExtendedLifetime((other.memory, other.factors)) {}
  }
}

extension MemoryRegion {
  /// A copy of `values`.
  static func copy(of values: [Float]) throws(DPQError) -> MemoryRegion {
    let buffer = try AlignedBuffer<Float>(count: values.count)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { buffer.pointer.update(from: base, count: source.count) }
    }
    return buffer.share()
  }
}
