#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An embedding that learns a code of bits for each row with the task (after AdaComp: Kim, Kim, Lee, *Adaptive Compression
/// of Word Embeddings*, ACL 2020).
///
/// A row has a query q; bit j is set where basis_j · q > 0, and the row's output is bias + Σ bit_j · basis_j: encoder and
/// decoder share their weights. The gradient passes the step straight through. The basis is held near orthogonal up to a
/// common length, by whichever of its Gram matrices is smaller. Queries are thrown away by export.
public final class BinaryEmbedding: EmbeddingLayer {
  /// How rows are coded.
  public let layout: BinaryLayout
  /// The table of queries, `[rows][dimension]`.
  public let query: Parameter
  /// One vector a bit, `[bits][dimension]`.
  public let basis: Parameter
  /// The output where no bit is set, `[1][dimension]`.
  public let bias: Parameter
  /// Weight of the penalty ½‖G/λ − I‖², G the smaller Gram matrix of the basis and λ the mean of its diagonal.
  public var orthogonality: Float = 0.01
  /// What ``orthogonality`` adds to the loss.
  public private(set) var regularization = 0.0

  private let threads: Int
  private var rowsOfBatch: UniqueRows
  private var ids: [Int32] = []
  // The last training batch: queries, bits as 0 and 1, and gradients by what the bits were made of and by the queries.
  private var queries: Matrix
  private var isSet: Matrix
  private var responseGradient: Matrix
  private var queryGradient: Matrix
  private let gram: Matrix

  /// Makes a layer that starts from random queries and basis.
  ///
  /// - Parameters:
  ///   - scale: Queries start evenly in [−scale, scale), and outputs at about their length.
  ///   - name: What checkpoints call the layer.
  /// - Throws: `invalidArgument` for a shape that is not possible; `outOfMemory`.
  public convenience init(
    rows: Int, layout: BinaryLayout, scale: Float = 0.05, seed: UInt64 = 0, name: String = "embedding",
    threads: Int = 0
  ) throws(DPQError) {
    try EmbeddingStream.checkShape(rows: rows, dimension: layout.dimension)
    let query = try Matrix(rows: rows, columns: layout.dimension)
    query.fillUniformly(scale: scale, seed: seed, stream: EmbeddingStream.query)
    try self.init(sharing: query, layout: layout, scale: scale, seed: seed, name: name, threads: threads)
  }

  /// Makes a layer of a random basis over queries that other layers may use as well.
  init(
    sharing query: Matrix, layout: BinaryLayout, scale: Float, seed: UInt64, name: String, threads: Int
  ) throws(DPQError) {
    let (bits, dimension) = (layout.bits, layout.dimension)
    self.layout = layout
    self.threads = threads
    self.query = try Parameter(name: "\(name).query", value: query, touchedCapacity: 0)
    basis = try Parameter(name: "\(name).basis", value: Matrix(rows: bits, columns: dimension))
    bias = try Parameter(name: "\(name).bias", value: Matrix(rows: 1, columns: dimension))
    // Half of the bits are set, so outputs vary by √bits / 2 times what the basis does.
    let length = scale * 2 / Float(bits).squareRoot()
    basis.value.fillUniformly(scale: length, seed: seed, stream: EmbeddingStream.keys)
    for j in 0..<bits {
      for c in 0..<dimension { bias.value[0, c] -= basis.value[j, c] / 2 }
    }
    rowsOfBatch = UniqueRows(rows: query.rows)
    queries = try Matrix(rows: 0, columns: dimension)
    isSet = try Matrix(rows: 0, columns: bits)
    responseGradient = try Matrix(rows: 0, columns: bits)
    queryGradient = try Matrix(rows: 0, columns: dimension)
    gram = try Matrix(rows: min(bits, dimension), columns: min(bits, dimension))
  }

  /// Number of rows.
  public var rows: Int { query.value.rows }
  /// Values a row.
  public var dimension: Int { layout.dimension }
  /// What the optimiser moves.
  public var parameters: [Parameter] { [query, basis, bias] }
  /// Everything else that a checkpoint must hold, by name.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// Packed codes, basis and bias.
  public var storedBytes: Int { rows * layout.rowBytes + 4 * layout.valueCount }

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    guard training else {
      let decoded = try tier(of: ids.array).decoded(threads: threads)
      for i in output.indices { output[i] = decoded.values[i] }
      return
    }
    self.ids = ids.array
    rowsOfBatch.load(ids)
    if ids.count == 0 { return }
    if ids.count != queries.rows {
      queries = try Matrix(rows: ids.count, columns: dimension)
      isSet = try Matrix(rows: ids.count, columns: layout.bits)
      responseGradient = try Matrix(rows: ids.count, columns: layout.bits)
      queryGradient = try Matrix(rows: ids.count, columns: dimension)
    }
    try encode(ids, queries: queries, isSet: isSet)
    try queryGradient.all.setProduct(
      .plain(isSet.all), .plain(basis.value.all), plus: .row(bias.value), threads: threads)
    let result = queryGradient
    let values = result.values
    for i in values.indices { output[i] = values[i] }
  }

  /// Sets the gradients of queries, basis and bias from that by the last training output.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    try checkUpstream(upstream.count, batch: ids.count)
    basis.gradient.clear(rows: 0..<layout.bits)
    bias.gradient.clear(rows: 0..<1)
    guard !ids.isEmpty else {
      try query.prepareGradient(of: [])
      return
    }
    let gradient = try Matrix(rows: ids.count, columns: dimension)
    var values = gradient.mutableValues
    for i in upstream.indices { values[i] = upstream[i] }
    try gradient.all.sumRows(into: bias.gradient, threads: threads)
    // Decoder: basis += bitsᵀ · upstream. Encoder, past the step: basis += responseGradientᵀ · queries, in units of the
    // basis' squared length, so that queries move as outputs should.
    try responseGradient.all.setProduct(.plain(gradient.all), .transposed(basis.value.all), threads: threads)
    let unit = 1 / max(try addPenalty(), .leastNormalMagnitude)
    let responseGradient = responseGradient
    var responses = responseGradient.mutableValues
    for i in responses.indices { responses[i] *= unit }
    try basis.gradient.all.setProduct(
      .transposed(isSet.all), .plain(gradient.all), plus: .itself, threads: threads)
    try basis.gradient.all.setProduct(
      .transposed(responseGradient.all), .plain(queries.all), plus: .itself, threads: threads)
    try queryGradient.all.setProduct(.plain(responseGradient.all), .plain(basis.value.all), threads: threads)
    let queryGradient = queryGradient
    try query.scatter(queryGradient.values, to: rowsOfBatch, threads: threads)
  }

  /// Sets the gradient of the basis to that of the penalty and returns the mean squared length λ of its smaller side.
  private func addPenalty() throws(DPQError) -> Float {
    let isWide = layout.bits >= dimension
    let weights = basis.value.all
    if isWide {
      try gram.all.setProduct(.transposed(weights), .plain(weights), threads: threads)
    } else {
      try gram.all.setProduct(.plain(weights), .transposed(weights), threads: threads)
    }
    let side = gram.rows
    var length: Float = 0
    for i in 0..<side { length += gram[i, i] }
    length /= Float(side)
    regularization = 0
    guard length > 0 else { return length }
    // Gradient of ½‖G/λ − I‖² with λ held: 2/λ · W · (G/λ − I), divided by the side for a mean over its rows.
    let scale = 2 * orthogonality / (length * Float(side))
    var square = 0.0
    for i in 0..<side {
      for j in 0..<side {
        let off = gram[i, j] / length - (i == j ? 1 : 0)
        square += Double(off * off)
        gram[i, j] = scale * off
      }
    }
    regularization = Double(orthogonality) * square / Double(2 * side)
    if isWide {
      try basis.gradient.all.setProduct(.plain(weights), .plain(gram.all), threads: threads)
    } else {
      try basis.gradient.all.setProduct(.plain(gram.all), .plain(weights), threads: threads)
    }
    return length
  }

  /// Gathers the queries of `ids` and sets `isSet` to 1 where a basis vector's product with the query is above 0.
  private func encode(_ ids: Span<Int32>, queries: Matrix, isSet: Matrix) throws(DPQError) {
    var target = queries.mutableValues
    try query.value.gather(ids, into: &target, threads: threads)
    try isSet.all.setProduct(.plain(queries.all), .transposed(basis.value.all), threads: threads)
    var bits = isSet.mutableValues
    for i in bits.indices { bits[i] = bits[i] > 0 ? 1 : 0 }
  }

  /// The compressed table: a bit for each basis vector and row, the basis and the bias.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? {
    try CompressedModel(
      tiers: [tier(of: (0..<rows).map { Int32($0) })], assignment: .response, vocabulary: vocabulary, recipe: recipe)
  }
}

extension BinaryEmbedding: TierLayer {
  var tierLayout: TierLayout { .binary(layout) }

  func start(from table: EmbeddingTable, seed: UInt64, threads: Int) throws(DPQError) {
    // Codes are the signs of products with queries: the basis must be one that its own signs decode by.
    var compression = CompressionOptions()
    compression.method = .binary
    compression.bits = layout.bits
    compression.seed = seed
    compression.threads = threads
    guard case .binary(let trained) = try Compressor(compression).compress(table).model.tiers[0].codewords else {
      throw DPQError(.invalidArgument, "training made no basis")
    }
    for j in 0..<layout.bits {
      for c in 0..<dimension { basis.value[j, c] = trained.values[j * dimension + c] }
    }
    for c in 0..<dimension { bias.value[0, c] = trained.bias[c] }
  }

  func tier(of ids: [Int32]) throws(DPQError) -> Tier {
    let codewords = Tier.Codewords.binary(
      try BinaryBasis(layout: layout, values: basis.value.array, bias: bias.value.array))
    let block = 1024
    let queries = try Matrix(rows: min(block, ids.count), columns: dimension)
    let isSet = try Matrix(rows: min(block, ids.count), columns: layout.bits)
    var codes = [UInt8](repeating: 0, count: ids.count * layout.rowBytes)
    for first in stride(from: 0, to: ids.count, by: block) {
      // Whole blocks, the last one reaching back, so that the matrices fit.
      let start = max(0, min(first, ids.count - block))
      let part = start..<min(ids.count, start + block)
      try encode(ids.span.extracting(part), queries: queries, isSet: isSet)
      let bits = isSet.values
      for (i, row) in part.enumerated() {
        for byte in 0..<layout.rowBytes {
          var packed: UInt8 = 0
          for j in (8 * byte)..<min(8 * byte + 8, layout.bits) where bits[i * layout.bits + j] > 0 {
            packed |= 1 << UInt8(j % 8)
          }
          codes[row * layout.rowBytes + byte] = packed
        }
      }
    }
    return try Tier(codewords, codes: codes)
  }
}

extension Tier {
  /// The rows of the tier, decoded.
  func decoded(threads: Int) throws(DPQError) -> Matrix {
    if rows == 0 { return try Matrix(rows: 0, columns: layout.dimension) }
    return try CompressedModel(tiers: [self], assignment: .response, recipe: "{}").decoded(threads: threads)
  }
}

extension Span<Int32> {
  /// The ids in an array.
  var array: [Int32] { withUnsafeBufferPointer { Array($0) } }
}
