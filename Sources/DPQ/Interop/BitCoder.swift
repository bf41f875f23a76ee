import CKernels

/// Chooses the bits of rows against a basis, and rebuilds rows from them.
///
/// Bits start at the signs of W·(x − m), W the basis, and are flipped one by one while that brings the row nearer: they end
/// where no single bit would help, which is not always the best of all.
struct BitCoder {
  let layout: BinaryLayout
  let threads: Int
  private let basis: Matrix
  /// m = bias + Σ basis_j / 2: the middle of all rows that bits can make.
  private let middle: Matrix
  /// −basis · m: what a row's correlations begin with.
  private let offset: Matrix
  private let gram: Matrix
  private let negativeGram: Matrix
  private let diagonal: [Float]

  /// Most passes over the bits of a row.
  static let passes = 16
  /// Rows coded at a time.
  static let block = 2048

  init(layout: BinaryLayout, values: [Float], bias: [Float], threads: Int) throws(DPQError) {
    let (bits, dimension) = (layout.bits, layout.dimension)
    precondition(values.count == bits * dimension && bias.count == dimension)
    let basis = try Matrix(rows: bits, columns: dimension)
    basis.read(values.span)
    let middle = try Matrix(rows: 1, columns: dimension)
    for c in 0..<dimension {
      var sum = 0.0
      for j in 0..<bits { sum += Double(values[j * dimension + c]) }
      middle[0, c] = bias[c] + Float(sum / 2)
    }
    let offset = try Matrix(rows: 1, columns: bits)
    try offset.all.setProduct(.plain(middle.all), .transposed(basis.all), threads: 1)
    for j in 0..<bits { offset[0, j] = -offset[0, j] }
    let gram = try Matrix(rows: bits, columns: bits)
    try gram.all.setProduct(.plain(basis.all), .transposed(basis.all), threads: threads)
    let negative = try Matrix(rows: bits, columns: bits)
    for i in 0..<(bits * bits) { negative.pointer[i] = -gram.pointer[i] }
    self.layout = layout
    self.threads = threads
    self.basis = basis
    self.middle = middle
    self.offset = offset
    self.gram = gram
    self.negativeGram = negative
    self.diagonal = (0..<bits).map { gram[$0, $0] }
  }

  /// Memory that ``settle(_:first:count:halves:halvesFirst:correlations:isStarted:passes:)`` works in.
  func correlations() throws(DPQError) -> Matrix { try Matrix(rows: Self.block, columns: layout.bits) }

  /// Sets the first ``layout``.bits columns of `halves` to ±1/2 for rows `[first, first + count)` of `rows`; bits that
  /// `isStarted` go on from where they are.
  func settle(
    _ rows: Matrix, first: Int, count: Int, halves: Matrix, halvesFirst: Int, correlations: Matrix, isStarted: Bool,
    passes: Int = BitCoder.passes
  ) throws(DPQError) {
    precondition(count <= correlations.rows && halvesFirst + count <= halves.rows && halves.columns >= layout.bits)
    let bits = layout.bits
    let part = correlations[rows: 0..<count]
    try part.setProduct(
      .plain(rows[rows: first..<(first + count)]), .transposed(basis.all), plus: .row(offset), threads: threads)
    let target = halves.pointer + halvesFirst * halves.columns
    if !isStarted { dpq_bits_start(count, bits, correlations.pointer, target, halves.columns) }
    if passes == 0 { return }
    let chosen = halves[rows: halvesFirst..<(halvesFirst + count)][columns: 0..<bits]
    try part.setProduct(.plain(chosen), .plain(negativeGram.all), plus: .itself, threads: threads)
    try DPQError.check(
      dpq_bits_settle(
        count, bits, gram.pointer, diagonal, Int32(passes), Int32(clamping: threads), correlations.pointer, target,
        halves.columns))
  }

  /// Packed codes of all rows, block after block; `report` gets the share done.
  func encode(_ rows: Rows, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    var codes = [UInt8](repeating: 0, count: rows.count * layout.rowBytes)
    let values = try Matrix(rows: Self.block, columns: layout.dimension)
    let halves = try Matrix(rows: Self.block, columns: layout.bits)
    let correlations = try correlations()
    for first in stride(from: 0, to: rows.count, by: Self.block) {
      let count = min(Self.block, rows.count - first)
      let pointer = values.pointer
      try rows.with { dpq_rows_read($0, first, count, pointer, layout.dimension, Int32(clamping: threads)) }
      try settle(
        values, first: 0, count: count, halves: halves, halvesFirst: 0, correlations: correlations, isStarted: false)
      let status = codes.withUnsafeMutableBufferPointer {
        dpq_bits_pack(
          count, layout.bits, halves.pointer, layout.bits, Int32(clamping: threads),
          $0.baseAddress! + first * layout.rowBytes)
      }
      try DPQError.check(status)
      try report(Double(first + count) / Double(rows.count))
    }
    return codes
  }

  /// Sets the first `count` rows of `output` to what the codes of rows `[first, first + count)` are rebuilt to; `halves`
  /// is room for the bits of as many rows.
  func reconstruct(
    _ codes: [UInt8], first: Int, count: Int, halves: Matrix, into output: Matrix
  ) throws(DPQError) {
    precondition(first >= 0 && count >= 0 && (first + count) * layout.rowBytes <= codes.count)
    precondition(count <= halves.rows && halves.columns == layout.bits)
    let target = halves.pointer
    let status = codes.withUnsafeBufferPointer { codes in
      dpq_bits_unpack(
        count, layout.bits, codes.baseAddress.map { $0 + first * layout.rowBytes }, Int32(clamping: threads), target,
        layout.bits)
    }
    try DPQError.check(status)
    try output[rows: 0..<count].setProduct(
      .plain(halves[rows: 0..<count]), .plain(basis.all), plus: .row(middle), threads: threads)
  }
}

extension BinaryBasis {
  /// Packed codes of all rows; `report` gets the share done.
  func encode(_ rows: Rows, threads: Int, report: (Double) throws(DPQError) -> Void) throws(DPQError) -> [UInt8] {
    try BitCoder(layout: layout, values: values, bias: bias, threads: threads).encode(rows, report: report)
  }
}

/// Least squares with as many unknowns as `moments` has rows: solves moments · x = products, both in float64.
func solveNormalEquations(_ moments: Matrix, _ products: Matrix, ridge: Double) throws(DPQError) -> [Float] {
  let (n, columns) = (moments.rows, products.columns)
  precondition(moments.columns == n && products.rows == n)
  let left = try AlignedBuffer<Double>(count: n * n)
  let right = try AlignedBuffer<Double>(count: n * columns)
  for i in 0..<(n * n) { left.pointer[i] = Double(moments.pointer[i]) }
  for i in 0..<n { left.pointer[i * n + i] += ridge }
  for i in 0..<(n * columns) { right.pointer[i] = Double(products.pointer[i]) }
  try DPQError.check(dpq_solve_positive(n, left.pointer, columns, right.pointer))
  return (0..<(n * columns)).map { Float(right.pointer[$0]) }
}

extension Matrix {
  /// Copies rows `[first, first + count)` of `source` to the first rows of this matrix.
  func copy(_ source: Rows, first: Int, count: Int, threads: Int) throws(DPQError) {
    precondition(source.dimension == columns && count <= rows)
    let target = pointer
    try source.with { dpq_rows_read($0, first, count, target, columns, Int32(clamping: threads)) }
  }

  /// Sets this matrix to ±1/2 as the values of `other`, of the same shape, are above 0 or not.
  func setHalves(_ other: Matrix) {
    precondition(rows == other.rows && columns == other.columns)
    dpq_bits_start(rows, columns, other.pointer, pointer, columns)
  }

  /// Multiplies each of the first rows by its factor.
  func scaleRows(_ factors: [Float]) {
    precondition(factors.count <= rows)
    for (i, factor) in factors.enumerated() {
      for c in 0..<columns { pointer[i * columns + c] *= factor }
    }
  }

  /// Σ over all values of this · other.
  func dot(_ other: Matrix) -> Double {
    precondition(count == other.count)
    var total = 0.0
    for i in 0..<rows {
      var sum: Float = 0
      for c in (i * columns)..<((i + 1) * columns) { sum += pointer[c] * other.pointer[c] }
      total += Double(sum)
    }
    return total
  }

  /// value = scale · value + factor · other.
  func combine(scale: Float, _ other: Matrix, factor: Float) {
    precondition(count == other.count)
    for i in 0..<count { pointer[i] = scale * pointer[i] + factor * other.pointer[i] }
  }
}
