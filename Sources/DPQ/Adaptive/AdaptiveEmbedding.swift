/// An embedding in which every row learns with the task how long its code is (after AdaComp: Kim, Kim, Lee, *Adaptive
/// Compression of Word Embeddings*, ACL 2020).
///
/// There is one table of queries and a layer for each tier over it. At first every row tries all tiers
/// (``TierSelection``); then its tier is settled and its code is learned within it; then the codes are settled and only
/// codewords learn. ``advance(to:)`` goes from phase to phase. Queries are thrown away by export.
public final class AdaptiveEmbedding: EmbeddingLayer {
  /// What the layer was made with; tiers ascend by bits.
  public let options: Options
  /// The table of queries, `[rows][dimension]`.
  public let query: Parameter

  private let tiers: [any TierLayer]
  private var selection: TierSelection
  private let coded: CodedEmbedding
  private let name: String
  /// The phase, as a checkpoint holds it, and the tier of each row once it is settled.
  private let phaseValue: Matrix
  private let tierOfRow: Matrix

  // The last training batch: its ids, the places of each tier's share in it, and what each tier made of its own.
  private var ids: [Int32] = []
  private var places: [[Int]]
  private var outputs: [[Float]]
  /// All rows as they are outside training, until something moves.
  private var table: Matrix?

  /// Makes a layer that starts from random queries.
  ///
  /// - Parameter name: What checkpoints call the layer.
  /// - Throws: `invalidArgument` for options out of range; `outOfMemory`.
  public convenience init(rows: Int, options: Options, name: String = "embedding") throws(DPQError) {
    try options.check()
    try EmbeddingStream.checkShape(rows: rows, dimension: options.tiers[0].dimension)
    let query = try Matrix(rows: rows, columns: options.tiers[0].dimension)
    query.fillUniformly(scale: options.initialScale, seed: options.seed, stream: EmbeddingStream.query)
    try self.init(query: query, options: options, name: name)
  }

  /// Makes a layer whose queries are the rows of `table` and whose tiers start from codewords trained on all of them.
  ///
  /// - Throws: As without a table; `nonFiniteValue` for a table that holds a value that is not finite.
  public convenience init(
    startingFrom table: EmbeddingTable, options: Options, name: String = "embedding"
  ) throws(DPQError) {
    try self.init(query: Matrix(table, threads: options.threads), options: options, name: name)
    for tier in tiers { try tier.start(from: table, seed: options.seed, threads: options.threads) }
  }

  /// Makes a layer that starts from the rows of `query`.
  private init(query: Matrix, options: Options, name: String) throws(DPQError) {
    try options.check()
    try EmbeddingStream.checkShape(rows: query.rows, dimension: query.columns)
    var options = options
    options.tiers.sort { $0.bitsPerRow < $1.bitsPerRow }
    guard query.columns == options.tiers[0].dimension else {
      throw DPQError(
        .invalidArgument,
        "tiers of \(options.tiers[0].dimension) values do not fit rows of \(query.columns)")
    }
    self.options = options
    self.name = name
    self.query = try Parameter(name: "\(name).query", value: query, touchedCapacity: 0)
    var tiers: [any TierLayer] = []
    for (t, layout) in options.tiers.enumerated() {
      tiers.append(try Self.layer(layout, number: t, query, options, name: "\(name).tier.\(t)"))
    }
    self.tiers = tiers
    selection = try TierSelection(
      rows: query.rows, bits: options.tiers.map(\.bitsPerRow),
      targetBits: options.targetBits - Double(TierMap.bits(tiers: tiers.count)), rate: options.selectionRate,
      seed: options.seed)
    coded = try CodedEmbedding(
      rows: query.rows, tiers: options.tiers, storage: .float32, name: "\(name).coded", threads: options.threads)
    phaseValue = try Matrix(rows: 1, columns: 1)
    tierOfRow = try Matrix(rows: query.rows, columns: 1)
    places = [[Int]](repeating: [], count: tiers.count)
    outputs = [[Float]](repeating: [], count: tiers.count)
  }

  private static func layer(
    _ layout: TierLayout, number: Int, _ query: Matrix, _ options: Options, name: String
  ) throws(DPQError) -> any TierLayer {
    let seed = options.seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15
    switch layout {
    case .concat(let layout):
      var settings = DPQEmbedding.Options(options.variant, layout)
      settings.initialScale = options.initialScale
      settings.seed = seed
      settings.threads = options.threads
      return try DPQEmbedding(sharing: query, options: settings, name: name)
    case .binary(let layout):
      return try BinaryEmbedding(
        sharing: query, layout: layout, scale: options.initialScale, seed: seed, name: name, threads: options.threads)
    }
  }

  /// Number of rows.
  public var rows: Int { query.value.rows }
  /// Values a row.
  public var dimension: Int { query.value.columns }
  /// What the layer is doing.
  public private(set) var phase: Phase {
    get { Phase(rawValue: Int(phaseValue[0, 0])) ?? .select }
    set { phaseValue[0, 0] = Float(newValue.rawValue) }
  }
  /// The queries, what the layers of the tiers train beside them, and the codewords of the last phase.
  public var parameters: [Parameter] {
    var parameters = [query]
    for tier in tiers { parameters += tier.parameters.filter { $0 !== tier.query } }
    return parameters + coded.parameters
  }
  /// The phase, the state of the selection, tiers and codes once settled, and what the tiers' layers hold.
  public var buffers: [(name: String, value: Matrix)] {
    var buffers = [
      ("\(name).phase", phaseValue), ("\(name).tiers", tierOfRow), ("\(name).logits", selection.logits),
      ("\(name).uses", selection.uses), ("\(name).selection", selection.progress),
    ]
    for tier in tiers { buffers += tier.buffers }
    return buffers + coded.buffers
  }
  /// What the layers of the tiers add to the loss of the last training batch.
  public var regularization: Double {
    phase == .tune ? 0 : tiers.reduce(0) { $0 + $1.regularization }
  }
  /// Codes, tier map and codewords, with the tiers as they would be settled now.
  public var storedBytes: Int {
    let counts = currentTiers.reduce(into: [Int](repeating: 0, count: tiers.count)) { $0[$1] += 1 }
    return TierShape.storedBytes(
      zip(options.tiers, counts).map { TierShape(layout: $0, storage: .float32, rows: $1) })
  }
  /// The tier of each row: as settled, or as it would be settled now.
  public var currentTiers: [Int] {
    phase == .select ? settledTiers() : tierOfRow.array.map { Int($0) }
  }
  /// Mean bits of a row with ``currentTiers``: its code and its place in the tier map.
  public var meanBits: Double { selection.meanBits(currentTiers) + Double(TierMap.bits(tiers: tiers.count)) }
  /// How often training used each row while it selected.
  public var uses: [Int] { selection.uses.array.map { Int($0) } }

  /// Goes to the phase that belongs to the share of training done, 0…1, and cools the selection.
  ///
  /// - Throws: `invalidArgument` where codewords are not finite; `outOfMemory`.
  public func advance(to progress: Double) throws(DPQError) {
    let total = options.phases.reduce(0, +)
    let ends = [options.phases[0] / total, (options.phases[0] + options.phases[1]) / total]
    if phase == .select {
      let share = ends[0] > 0 ? Float(min(1, progress / ends[0])) : 1
      let (start, end) = options.temperatures
      selection.temperature = start + share * (end - start)
      if progress >= ends[0] { settle() }
    }
    if phase == .codes && progress >= ends[1] && options.phases[2] > 0 { try startTuning() }
  }

  /// Forgets the rows made of other values.
  public func reload() {
    table = nil
    coded.reload()
  }

  private func settle() {
    let tiers = settledTiers()
    for row in 0..<rows { tierOfRow[row, 0] = Float(tiers[row]) }
    phase = .codes
    table = nil
  }

  private func startTuning() throws(DPQError) {
    try coded.start(from: model(vocabulary: nil, recipe: "{}"))
    phase = .tune
    table = nil
  }

  private func settledTiers() -> [Int] {
    let learned = selection.settle()
    if options.choice == .learned || options.choice == .straightThrough { return learned }
    // The same number of rows a tier, given out in another order.
    let counts = learned.reduce(into: [Int](repeating: 0, count: tiers.count)) { $0[$1] += 1 }
    var order = Array(0..<rows)
    if options.choice == .random {
      var generator = SeededGenerator(seed: options.seed, stream: TierSelection.shuffleStream)
      order = generator.permutation(rows)
    } else {
      let uses = selection.uses.array
      order.sort { (uses[$0], $1) < (uses[$1], $0) }
    }
    var result = [Int](repeating: 0, count: rows)
    var first = 0
    for (t, count) in counts.enumerated() {
      for row in order[first..<(first + count)] { result[row] = t }
      first += count
    }
    return result
  }

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    guard training else {
      if phase == .tune { return try coded.forward(ids, into: &output, training: false) }
      if table == nil { table = try model(vocabulary: nil, recipe: "{}").decoded(threads: options.threads) }
      try table?.gather(ids, into: &output, threads: options.threads)
      return
    }
    self.ids = ids.array
    table = nil
    if phase == .tune { return try coded.forward(ids, into: &output, training: true) }
    for t in tiers.indices { places[t].removeAll(keepingCapacity: true) }
    if phase == .select {
      selection.choose(ids)
      for (i, choice) in selection.choices.enumerated() { places[Int(choice)].append(i) }
    } else {
      for i in ids.indices { places[Int(tierOfRow[Int(ids[i]), 0])].append(i) }
    }
    for (t, tier) in tiers.enumerated() {
      // While selecting, every tier codes the whole batch.
      let share = phase == .select ? self.ids : places[t].map { self.ids[$0] }
      var rows = [Float](repeating: 0, count: share.count * dimension)
      var target = rows.mutableSpan
      try tier.forward(share.span, into: &target, training: true)
      outputs[t] = rows
      for (k, place) in places[t].enumerated() {
        let from = (phase == .select ? place : k) * dimension
        for c in 0..<dimension { output[place * dimension + c] = outputs[t][from + c] }
      }
    }
  }

  /// Sets the gradients of all parameters from that by the last training output, and moves the selection.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    try checkUpstream(upstream.count, batch: ids.count)
    if phase == .tune {
      for parameter in parameters {
        if parameter.touchedRows == nil {
          parameter.gradient.clear(rows: 0..<parameter.gradient.rows)
        } else {
          try parameter.prepareGradient(of: [])
        }
      }
      return try coded.backward(upstream)
    }
    if phase == .select { learnSelection(upstream) }
    for (t, tier) in tiers.enumerated() {
      let isWhole = phase == .select
      var gradient = [Float](repeating: 0, count: outputs[t].count)
      for (k, place) in places[t].enumerated() {
        let to = (isWhole ? place : k) * dimension
        for c in 0..<dimension { gradient[to + c] = upstream[place * dimension + c] }
      }
      try tier.backward(gradient.span)
    }
    try query.gatherGradients(of: tiers.map(\.query))
  }

  /// What each tier would cost in each place, had the row its output there.
  ///
  /// By δ, what the output would differ from that of the longest tier, the loss changes by g·δ + ½ δᵀHδ. The first term is
  /// the gradient that goes straight through the choice. Rows move until its mean over their uses is about 0; what is left
  /// of it is noise, and it tells little of rows that are used a few times. The second one, with H the mean of g gᵀ (Gauss
  /// and Newton), is never below 0 and is what a code that is too short costs where all has settled.
  private func learnSelection(_ upstream: Span<Float>) {
    var costs = [Float](repeating: 0, count: ids.count * tiers.count)
    let isFirstOrder = options.choice == .straightThrough
    let longest = outputs[tiers.count - 1]
    for t in tiers.indices {
      let output = outputs[t]
      for i in ids.indices {
        var product: Float = 0
        for c in (i * dimension)..<((i + 1) * dimension) { product += upstream[c] * (output[c] - longest[c]) }
        costs[i * tiers.count + t] = isFirstOrder ? product : product * product
      }
    }
    if isFirstOrder { selection.learnStraightThrough(costs) } else { selection.learn(costs) }
  }

  /// The compressed table in tiers.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? {
    if phase == .tune { return try coded.export(vocabulary: vocabulary, recipe: recipe) }
    return try model(vocabulary: vocabulary, recipe: recipe)
  }

  private func model(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel {
    let tierOfRow = currentTiers
    var rowsOfTier = [[Int32]](repeating: [], count: tiers.count)
    for (row, t) in tierOfRow.enumerated() { rowsOfTier[t].append(Int32(row)) }
    var parts: [Tier] = []
    for (t, tier) in tiers.enumerated() { parts.append(try tier.tier(of: rowsOfTier[t])) }
    return try CompressedModel(
      tiers: parts, tierOfRow: tierOfRow, assignment: .response, vocabulary: vocabulary, recipe: recipe)
  }
}

extension Parameter {
  /// Makes the gradient the sum of those of parameters over the same values, row by row.
  func gatherGradients(of parts: [Parameter]) throws(DPQError) {
    var rows: Set<Int32> = []
    for part in parts { rows.formUnion(part.touchedRows ?? []) }
    let sorted = rows.sorted()
    try prepareGradient(of: sorted)
    let gradient = gradient
    var sum = gradient.mutableValues
    let columns = gradient.columns
    for part in parts {
      let partGradient = part.gradient
      let values = partGradient.values
      var place = 0
      for (i, row) in (part.touchedRows ?? []).enumerated() {
        // Both lists ascend.
        while sorted[place] < row { place += 1 }
        for c in 0..<columns { sum[place * columns + c] += values[i * columns + c] }
      }
    }
  }
}
