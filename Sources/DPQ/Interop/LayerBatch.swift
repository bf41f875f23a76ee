/// One batch of a DPQ layer's queries on its way forward and back, with the memory for it.
///
/// Where the groups do not divide the dimension the last one is padded: queries and gradients get columns of zeros there,
/// outputs lose theirs.
struct LayerBatch: ~Copyable {
  let layout: CodeLayout
  private let threads: Int
  private var kernel: LayerKernel
  /// Rows in the batch.
  private(set) var count = 0
  private var capacity = 0
  private let stride: Int
  private let isPadded: Bool
  private var query: AlignedBuffer<Float>
  private var gradient: AlignedBuffer<Float>
  /// Output, then gradient from above, of padded rows.
  private var padded: AlignedBuffer<Float>
  private var codes: AlignedBuffer<UInt16>
  private let scratchGradient: AlignedBuffer<Float>

  init(_ options: DPQEmbedding.Options) throws(DPQError) {
    let (layout, isSoftmax) = (options.layout, options.variant == .sx)
    let kernel = try LayerKernel(
      layout: layout, width: layout.width, isSoftmax: isSoftmax, isNormalized: options.normalizesResponse,
      epsilon: options.epsilon, threads: options.threads)
    let query = try AlignedBuffer<Float>(count: 0)
    let gradient = try AlignedBuffer<Float>(count: 0)
    let padded = try AlignedBuffer<Float>(count: 0)
    let codes = try AlignedBuffer<UInt16>(count: 0)
    let scratchGradient = try AlignedBuffer<Float>(count: isSoftmax ? layout.codebookCount : 0)
    self.layout = layout
    self.threads = options.threads
    self.kernel = kernel
    self.stride = layout.groups * layout.width
    self.isPadded = stride > layout.dimension
    self.query = query
    self.gradient = gradient
    self.padded = padded
    self.codes = codes
    self.scratchGradient = scratchGradient
  }

  private mutating func reserve(_ count: Int) throws(DPQError) {
    if count > capacity {
      query = try AlignedBuffer(count: count * stride)
      if isPadded { padded = try AlignedBuffer(count: count * stride) }
      codes = try AlignedBuffer(count: count * layout.groups)
      capacity = count
    }
    self.count = count
  }

  /// Makes the rows `ids` of `table`, `[rows][dimension]`, the batch.
  mutating func load(_ table: Matrix, _ ids: Span<Int32>) throws(DPQError) {
    try reserve(ids.count)
    try table.gather(ids, to: query.pointer, stride: stride, threads: threads)
  }

  /// Codes and output of the batch, `[count][dimension]`, by the running statistics given, or by the batch's own, which
  /// go to `used`. Returns the mean of (key − query)² over the values of the batch, 0 for SX.
  mutating func forward(
    keys: Matrix, values: Matrix, temperature: Float, statistics: Matrix?, used: Matrix?,
    into output: inout MutableSpan<Float>
  ) throws(DPQError) -> Double {
    precondition(output.count == count * layout.dimension)
    if count == 0 { return 0 }
    let result = output.withUnsafeMutableBufferPointer { output in
      Result { () throws(DPQError) in
        let target = isPadded ? padded.pointer : output.baseAddress!
        let loss = try kernel.forward(
          batch: count, temperature: temperature, query: query.pointer, keys: keys, values: values,
          statistics: statistics?.pointer, codes: codes.pointer, output: target, used: used?.pointer)
        if isPadded { copyRows(from: target, stride, to: output.baseAddress!, layout.dimension) }
        return loss * perValue
      }
    }
    return try result.get()
  }

  /// Codes of the batch by running statistics.
  mutating func assign(keys: Matrix, statistics: Matrix) throws(DPQError) {
    if count == 0 { return }
    _ = try kernel.forward(
      batch: count, query: query.pointer, keys: keys, values: keys, statistics: statistics.pointer,
      codes: codes.pointer, output: nil, used: nil)
  }

  /// Sets the gradients of `keys`, for SX `values`, and the rows `rows` of the query table `table` from that of the
  /// output; tied values add theirs to the keys'.
  mutating func backward(
    _ upstream: Span<Float>, table: Parameter, _ rows: UniqueRows, keys: Parameter, values: Parameter,
    temperature: Float, used: Matrix, keyWeight: Float, commitment: Float
  ) throws(DPQError) {
    let isSoftmax = scratchGradient.count > 0
    let isTied = keys === values
    // Then the gradient of VQ's queries is the one from above.
    let passesThrough = !isSoftmax && commitment == 0
    if count == 0 {
      try table.prepareGradient(of: [])
      keys.gradient.clear(rows: 0..<keys.gradient.rows)
      if isSoftmax { values.gradient.clear(rows: 0..<values.gradient.rows) }
      return
    }
    if !passesThrough && gradient.count < count * stride { gradient = try AlignedBuffer(count: capacity * stride) }
    let result = upstream.withUnsafeBufferPointer { upstream in
      Result { () throws(DPQError) in
        if isPadded {
          copyRows(from: upstream.baseAddress!, layout.dimension, to: padded.pointer, stride, clearing: true)
        }
        try kernel.backward(
          batch: count, temperature: temperature, query: query.pointer, keys: keys.value, values: values.value,
          codes: codes.pointer, statistics: used.pointer,
          upstream: isPadded ? UnsafePointer(padded.pointer) : upstream.baseAddress!,
          keyWeight: keyWeight * Float(perValue), commitment: commitment * Float(perValue),
          queryGradient: passesThrough ? nil : gradient.pointer, keyGradient: keys.gradient.pointer,
          valueGradient: !isSoftmax ? nil : isTied ? scratchGradient.pointer : values.gradient.pointer)
        try table.scatter(
          passesThrough ? upstream.baseAddress : UnsafePointer(gradient.pointer),
          stride: passesThrough ? layout.dimension : stride, to: rows, threads: threads)
      }
    }
    try result.get()
    if isSoftmax && isTied {
      for i in 0..<keys.gradient.count { keys.gradient.pointer[i] += scratchGradient.pointer[i] }
    }
  }

  /// Packed codes of the batch, `[count][layout.rowBytes]`.
  func packedCodes() throws(DPQError) -> [UInt8] {
    try layout.pack(UnsafeBufferPointer(start: codes.pointer, count: count * layout.groups))
  }

  /// Code of batch row `i` in group `j`.
  func code(_ i: Int, _ j: Int) -> Int { Int(codes[i * layout.groups + j]) }
  /// Coordinate `c` of batch row `i` in group `j`.
  func queryValue(_ i: Int, _ j: Int, _ c: Int) -> Float { query[i * stride + j * layout.width + c] }

  /// What turns a mean over the values with padding into one over the values without.
  private var perValue: Double { Double(stride) / Double(layout.dimension) }

  private func copyRows(
    from: UnsafePointer<Float>, _ fromStride: Int, to: UnsafeMutablePointer<Float>, _ toStride: Int,
    clearing: Bool = false
  ) {
    for i in 0..<count {
      (to + i * toStride).update(from: from + i * fromStride, count: layout.dimension)
      if clearing {
        (to + i * toStride + layout.dimension).update(repeating: 0, count: toStride - layout.dimension)
      }
    }
  }
}
