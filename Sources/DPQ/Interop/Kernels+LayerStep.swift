/// Forward and backward passes of a DPQ layer over batches of table rows, with the memory they need.
///
/// Keys and values are `[codebooks][codes][keyWidth]`. With `hasBias` a key has one coordinate more than a codeword,
/// which meets a query coordinate that is always 1.
struct LayerStep: ~Copyable {
  let layout: CodeLayout
  let capacity: Int
  let keyWidth: Int
  private let hasBias: Bool
  private var kernel: LayerKernel
  private let row: AlignedBuffer<Float>
  private let query: AlignedBuffer<Float>
  private let output: AlignedBuffer<Float>
  private let codes: AlignedBuffer<UInt16>
  private let statistics: AlignedBuffer<Float>
  private(set) var count = 0

  /// A layer of `layout` for batches of up to `batch` rows: SX with a bias a key, or VQ.
  init(layout: CodeLayout, isSoftmax: Bool, batch: Int, threads: Int) throws(DPQError) {
    let keyWidth = layout.width + (isSoftmax ? 1 : 0)
    let elements = batch * layout.groups * keyWidth
    let kernel = try LayerKernel(
      layout: layout, width: keyWidth, isSoftmax: isSoftmax, isNormalized: false, epsilon: 1e-3, threads: threads)
    let row = try AlignedBuffer<Float>(count: layout.groups * layout.width)
    let query = try AlignedBuffer<Float>(count: elements)
    let output = try AlignedBuffer<Float>(count: elements)
    let codes = try AlignedBuffer<UInt16>(count: batch * layout.groups)
    let statistics = try AlignedBuffer<Float>(count: 2 * layout.codes)
    self.layout = layout
    self.capacity = batch
    self.keyWidth = keyWidth
    self.hasBias = isSoftmax
    self.kernel = kernel
    self.row = row
    self.query = query
    self.output = output
    self.codes = codes
    self.statistics = statistics
  }

  /// Makes the rows `ids` the batch.
  mutating func load(_ rows: Rows, _ ids: ArraySlice<Int>) throws(DPQError) {
    precondition(ids.count <= capacity && rows.dimension == layout.dimension)
    let (groups, width) = (layout.groups, layout.width)
    for (i, id) in ids.enumerated() {
      if !hasBias {
        try rows.read(first: id, count: 1, into: query, row: i, stride: groups * width)
        continue
      }
      try rows.read(first: id, count: 1, into: row, stride: groups * width)
      for j in 0..<groups {
        let target = query.pointer + (i * groups + j) * keyWidth
        target.update(from: row.pointer + j * width, count: width)
        target[width] = 1
      }
    }
    count = ids.count
  }

  /// One pass over the batch in which the layer reconstructs its input: sets the gradients of mean ‖row − output‖² per
  /// value. Keys and values are one and the same for VQ.
  mutating func run(keys: Parameter, values: Parameter, temperature: Float) throws(DPQError) {
    let parameters = layout.codebooks * layout.codes * keyWidth
    precondition(keys.value.count == parameters && values.value.count == parameters && count > 0)
    _ = try kernel.forward(
      batch: count, temperature: temperature, query: query.pointer, keys: keys.value, values: values.value,
      statistics: nil, codes: codes.pointer, output: output.pointer, used: statistics.pointer)
    // The output becomes the gradient that comes from above: 2 (output − row) / number of values.
    let scale = 2 / Float(count * layout.dimension)
    for i in 0..<(count * layout.groups * keyWidth) {
      output.pointer[i] = (output.pointer[i] - query.pointer[i]) * scale
    }
    if hasBias {
      for i in 0..<(count * layout.groups) { output.pointer[i * keyWidth + keyWidth - 1] = 0 }
    }
    try kernel.backward(
      batch: count, temperature: temperature, query: query.pointer, keys: keys.value, values: values.value,
      codes: codes.pointer, statistics: statistics.pointer, upstream: output.pointer, keyWeight: 1, commitment: 0,
      queryGradient: nil, keyGradient: keys.gradient.pointer, valueGradient: hasBias ? values.gradient.pointer : nil)
  }

  /// Code of batch row `i` in group `j`.
  func code(_ i: Int, _ j: Int) -> Int { Int(codes[i * layout.groups + j]) }
  /// Coordinate `c` of batch row `i` in group `j`.
  func queryValue(_ i: Int, _ j: Int, _ c: Int) -> Float { query[(i * layout.groups + j) * keyWidth + c] }
}
