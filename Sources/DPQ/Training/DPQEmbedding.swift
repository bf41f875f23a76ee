/// An embedding that learns discrete codes with the task (Chen, Li, Sun, *Differentiable Product Quantization for
/// End-to-End Embedding Compression*, ICML 2020).
///
/// A row is a query cut into groups; each group chooses one of a few keys, and the row's output is put together from the
/// values of the keys chosen. Training moves queries, keys and values; what is kept of it are the codes and the values
/// (for VQ the keys): queries are thrown away by ``export(vocabulary:recipe:)``.
///
/// Where the groups do not divide the dimension the last group is padded with zeros that are neither trained nor stored
/// as anything else; VQ with a shared codebook takes only groups that do.
public final class DPQEmbedding: EmbeddingLayer {
  /// What the layer was made with.
  public let options: Options
  /// The table of queries, `[rows][dimension]`.
  public let query: Parameter
  /// `[codebooks · codes][width]`.
  public let keys: Parameter
  /// `[codebooks · codes][width]`; the keys themselves for VQ and where tied.
  public let values: Parameter
  /// SX: divides the responses; may be annealed between steps.
  public var temperature: Float

  /// Mean and variance of the responses to each code, `[2][codes]`, as used outside training.
  let running: Matrix
  /// The share of the running statistics that batches have made up so far: 1 − momentumᵗ.
  private let runningShare: Matrix
  /// Statistics of the last training batch.
  private let statistics: Matrix
  private let name: String
  /// The last training batch, and whatever is worked on outside training.
  private var batch: LayerBatch
  private var evaluation: LayerBatch
  private var rowsOfBatch: UniqueRows
  private var keyAverages: KeyAverages?
  private var unused: UnusedCodes?
  /// Mean of (key − query)² over the last training batch.
  private var distance = 0.0

  /// Rows that are worked on at a time outside training.
  private static let block = 1024

  /// Makes a layer that starts from random queries, keys and values.
  ///
  /// - Parameter name: What checkpoints call the layer.
  /// - Throws: `invalidArgument` for options out of range or a layout the variant cannot have; `outOfMemory`.
  public convenience init(rows: Int, options: Options, name: String = "embedding") throws(DPQError) {
    try EmbeddingStream.checkShape(rows: rows, dimension: options.layout.dimension)
    let query = try Matrix(rows: rows, columns: options.layout.dimension)
    query.fillUniformly(scale: options.initialScale, seed: options.seed, stream: EmbeddingStream.query)
    try self.init(sharing: query, options: options, name: name)
  }

  /// Makes a layer of random keys and values over queries that other layers may use as well.
  convenience init(sharing query: Matrix, options: Options, name: String) throws(DPQError) {
    try self.init(query: query, options: options, name: name)
    fillCodebook(keys.value, stream: EmbeddingStream.keys)
    if values !== keys { fillCodebook(values.value, stream: EmbeddingStream.values) }
    keyAverages?.restart(from: keys.value)
  }

  /// Makes a layer whose queries are the rows of `table` and whose keys and values are their k-means codewords.
  ///
  /// - Throws: As without a table; `nonFiniteValue` for a table that holds a value that is not finite.
  public convenience init(
    startingFrom table: EmbeddingTable, options: Options, name: String = "embedding"
  ) throws(DPQError) {
    guard table.dimension == options.layout.dimension else {
      throw DPQError(
        .invalidArgument,
        "a layout for rows of \(options.layout.dimension) values does not fit rows of \(table.dimension)")
    }
    try self.init(query: Matrix(table, threads: options.threads), options: options, name: name)
    try start(from: table, seed: options.seed, threads: options.threads)
  }

  /// A layer with these queries and codebooks of zeros.
  private init(query: Matrix, options: Options, name: String) throws(DPQError) {
    try options.check()
    let layout = options.layout
    let codewords = layout.codebooks * layout.codes
    self.options = options
    self.temperature = options.temperature
    self.query = try Parameter(name: "\(name).query", value: query, touchedCapacity: 0)
    keys = try Parameter(name: "\(name).keys", value: Matrix(rows: codewords, columns: layout.width))
    let hasValues = options.variant == .sx && !options.isTied
    values =
      hasValues ? try Parameter(name: "\(name).values", value: Matrix(rows: codewords, columns: layout.width)) : keys
    running = try Matrix(rows: 2, columns: layout.codes)
    for k in 0..<layout.codes { running[1, k] = 1 }
    runningShare = try Matrix(rows: 1, columns: 1)
    statistics = try Matrix(rows: 2, columns: layout.codes)
    batch = try LayerBatch(options)
    evaluation = try LayerBatch(options)
    rowsOfBatch = UniqueRows(rows: query.rows)
    keyAverages = try options.keyAverageDecay.map { (decay) throws(DPQError) in try KeyAverages(layout, decay: decay) }
    unused = try options.unusedLimit.map { (limit) throws(DPQError) in
      try UnusedCodes(layout, limit: limit, seed: options.seed)
    }
    self.name = name
  }

  /// Random codewords; the padding of a last group stays zero.
  private func fillCodebook(_ codebook: Matrix, stream: UInt64) {
    let layout = options.layout
    codebook.fillUniformly(scale: options.initialScale, seed: options.seed, stream: stream)
    let last = layout.dimension - (layout.groups - 1) * layout.width
    guard !layout.isShared, last < layout.width else { return }
    for k in (codebook.rows - layout.codes)..<codebook.rows {
      for c in last..<layout.width { codebook[k, c] = 0 }
    }
  }

  /// Number of rows.
  public var rows: Int { query.value.rows }
  /// Values a row.
  public var dimension: Int { options.layout.dimension }
  /// Queries; keys unless they are averages; values where they are not the keys.
  public var parameters: [Parameter] {
    [query] + (keyAverages == nil ? [keys] : []) + (values === keys ? [] : [values])
  }
  /// Running statistics, counters of unused codes, and keys with their averages where those are not parameters.
  public var buffers: [(name: String, value: Matrix)] {
    var buffers = [("running", running), ("running_share", runningShare)]
    if let unused { buffers += [("unused", unused.idle), ("batches", unused.batches)] }
    if let keyAverages {
      buffers += [("keys", keys.value), ("key_counts", keyAverages.counts), ("key_sums", keyAverages.sums)]
    }
    return buffers.map { ("\(name).\($0.0)", $0.1) }
  }
  /// Packed codes and codebooks.
  public var storedBytes: Int {
    rows * options.layout.rowBytes + options.layout.codebookCount * options.codebookStorage.byteCount
  }
  /// VQ: α and β times the mean of (key − query)² over the last training batch; SX: 0.
  public var regularization: Double {
    distance * Double((keyAverages == nil ? options.keyWeight : 0) + options.commitment)
  }

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  ///
  /// In training the responses are normalised by the batch's statistics, repeats counted, which also move the running
  /// ones; outside by the running ones.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    guard training else {
      for first in stride(from: 0, to: ids.count, by: Self.block) {
        let part = first..<min(ids.count, first + Self.block)
        var target = output._mutatingExtracting((part.lowerBound * dimension)..<(part.upperBound * dimension))
        try evaluate(ids.extracting(part), into: &target)
      }
      return
    }
    try batch.load(query.value, ids)
    rowsOfBatch.load(ids)
    distance = try batch.forward(
      keys: keys.value, values: values.value, temperature: temperature, statistics: nil, used: statistics, into: &output
    )
    if ids.count > 0 { updateRunning() }
  }

  /// Sets the gradients of queries, keys and values from that by the last training output.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    try checkUpstream(upstream.count, batch: rowsOfBatch.places.count)
    try batch.backward(
      upstream, table: query, rowsOfBatch, keys: keys, values: values, temperature: temperature, used: statistics,
      keyWeight: keyAverages == nil ? options.keyWeight : KeyAverages.weight(batch.count, options.layout),
      commitment: options.commitment)
    keyAverages?.update(keys, batch)
    unused?.update(batch) { k, value in
      for c in 0..<options.layout.width {
        keys.value[k, c] = value(c)
        values.value[k, c] = value(c)
      }
      keyAverages?.restart(k, from: keys.value)
    }
  }

  /// The codes of all rows as they would be stored, `[rows × groups]`.
  ///
  /// - Throws: `outOfMemory`.
  public func codes() throws(DPQError) -> [UInt16] {
    var codes: [UInt16] = []
    codes.reserveCapacity(rows * options.layout.groups)
    try forEachBlock((0..<rows).map { Int32($0) }) { (block) throws(DPQError) in
      for i in 0..<block.count {
        for j in 0..<options.layout.groups { codes.append(UInt16(block.code(i, j))) }
      }
    }
    return codes
  }

  /// The share of all codes that differ from those in `packed`, which become those of now; NaN where it was empty.
  ///
  /// - Throws: `outOfMemory`.
  package func changedCodes(since packed: inout [UInt8]) throws(DPQError) -> Double {
    let (layout, isFirst) = (options.layout, packed.isEmpty)
    if isFirst { packed = [UInt8](repeating: 0, count: rows * layout.rowBytes) }
    var (changed, first) = (0, 0)
    try forEachBlock((0..<rows).map { Int32($0) }) { (block) throws(DPQError) in
      let now = try block.packedCodes()
      for i in 0..<(isFirst ? 0 : block.count) {
        let row = first + i * layout.rowBytes
        for j in 0..<layout.groups where layout.code(j, of: packed, at: row) != block.code(i, j) { changed += 1 }
      }
      packed.replaceSubrange(first..<(first + now.count), with: now)
      first += now.count
    }
    return isFirst ? .nan : Double(changed) / Double(rows * layout.groups)
  }

  /// The compressed table: the codes of all rows by the running statistics, and the values (for VQ the keys).
  ///
  /// Its rows are bit for bit those of ``forward(_:into:training:)`` outside training.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? {
    guard vocabulary.map({ $0.count == rows }) ?? true else {
      throw DPQError(.invalidArgument, "the vocabulary has \(vocabulary!.count) words, the table \(rows) rows")
    }
    return try CompressedModel(
      tiers: [tier(of: (0..<rows).map { Int32($0) })], assignment: .response, vocabulary: vocabulary, recipe: recipe)
  }

  /// Moves the running statistics towards the last batch's. Their start has no weight: they are averages of batches
  /// from the first one on.
  private func updateRunning() {
    guard options.normalizesResponse else { return }
    runningShare[0, 0] += (1 - options.momentum) * (1 - runningShare[0, 0])
    let share = (1 - options.momentum) / runningShare[0, 0]
    for s in 0..<2 {
      for k in 0..<running.columns { running[s, k] += share * (statistics[s, k] - running[s, k]) }
    }
  }

  private func evaluate(_ ids: Span<Int32>, into output: inout MutableSpan<Float>) throws(DPQError) {
    try evaluation.load(query.value, ids)
    _ = try evaluation.forward(
      keys: keys.value, values: values.value, temperature: temperature, statistics: running, used: nil, into: &output)
    guard options.codebookStorage == .float16 else { return }
    for i in output.indices { output[i] = Float(Float16(output[i])) }
  }

  private func forEachBlock(
    _ ids: [Int32], _ body: (borrowing LayerBatch) throws(DPQError) -> Void
  ) throws(DPQError) {
    for first in stride(from: 0, to: ids.count, by: Self.block) {
      try evaluation.load(query.value, ids.span.extracting(first..<min(ids.count, first + Self.block)))
      try evaluation.assign(keys: keys.value, statistics: running)
      try body(evaluation)
    }
  }
}

extension DPQEmbedding: TierLayer {
  var tierLayout: TierLayout { .concat(options.layout) }

  /// What codes further queries as this layer does.
  private func encoder() throws(DPQError) -> ResponseEncoder {
    try ResponseEncoder(
      layout: options.layout, response: options.variant == .sx ? .product : .distance, keys: keys.value.array,
      statistics: options.normalizesResponse ? running.array : [])
  }

  func start(from table: EmbeddingTable, seed: UInt64, threads: Int) throws(DPQError) {
    var compression = CompressionOptions()
    compression.groups = options.layout.groups
    compression.codes = options.layout.codes
    compression.isShared = options.layout.isShared
    compression.seed = seed
    compression.threads = threads
    guard case .concat(let codebook) = try Compressor(compression).compress(table).model.tiers[0].codewords else {
      throw DPQError(.invalidArgument, "k-means made no codewords")
    }
    for k in 0..<keys.value.rows {
      for c in 0..<keys.value.columns { keys.value[k, c] = codebook.values[k * keys.value.columns + c] }
    }
    values.value.copy(from: keys.value)
    keyAverages?.restart(from: keys.value)
  }

  func tier(of ids: [Int32]) throws(DPQError) -> Tier {
    let codebook = try Codebook(layout: options.layout, values: values.value.array, storage: options.codebookStorage)
    var packed: [UInt8] = []
    packed.reserveCapacity(ids.count * options.layout.rowBytes)
    try forEachBlock(ids) { (block) throws(DPQError) in packed += try block.packedCodes() }
    return try Tier(.concat(codebook), codes: packed, encoder: options.keepsEncoder ? encoder() : nil)
  }
}
