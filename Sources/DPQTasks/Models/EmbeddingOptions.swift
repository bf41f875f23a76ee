import DPQ

/// Which embedding a model gets.
public struct EmbeddingOptions: Sendable {
  /// What stands in for the table.
  public var kind: EmbeddingKind
  /// Groups of a row, where it is coded.
  public var groups = 25
  /// Codes of a group, where rows are coded.
  public var codes = 8
  /// Whether one codebook serves all groups.
  public var isShared = false
  /// Rank of a low-rank table; the one that takes the bytes of the groups and codes where `nil`.
  public var rank: Int?
  /// Tables start in [−scale, scale), the queries of DPQ too; that of the model where `nil`.
  public var scale: Float?
  /// Queries of DPQ start around this. With responses as they are the keys that answer it best are then the codes of rows
  /// that training seldom moves: they stay alike, as small rows of a full table do.
  public var queryOffset: Float = 0
  /// Keys and values of DPQ start in [−keyScale, keyScale); as ``scale`` where `nil`.
  public var keyScale: Float?
  /// SX: the softmax is taken of responses divided by this.
  public var temperature: Float = 1
  /// Whether responses are normalised.
  public var normalizesResponse = true
  /// SX: whether values are the keys.
  public var isTied = false
  /// VQ: weight β of the commitment term.
  public var commitment: Float = 0
  /// VQ: keys become moving averages of their queries, of which this much stays in a step.
  public var keyAverageDecay: Float?
  /// Codes that no row of this many batches in a row chose start anew; `nil`: never.
  public var unusedLimit: Int?
  /// DPQ: whether the exported table holds what codes further rows.
  public var keepsEncoder = false
  /// Adaptive: the tiers rows choose from, as ``DPQ/TierLayout/list(_:dimension:)`` reads them.
  public var tiers = "8x16,25x16,50x16"
  /// Adaptive: mean bits of a row, its place in the tier map counted.
  public var targetBits: Double?
  /// Adaptive: shares of the training in which tiers are selected, codes learned and codewords tuned.
  public var phases = [0.4, 0.4, 0.2]
  /// Adaptive: how the tier of a row is decided.
  public var choice = AdaptiveEmbedding.Choice.learned
  /// Adaptive: how tiers of groups and codes choose codes; VQ from a pre-trained table, else SX, where `nil`.
  public var tierVariant: DPQEmbedding.Variant?
  /// Adaptive: how far a use of a row moves its choice.
  public var selectionRate: Float = 0.05
  /// What tables, and the queries of DPQ, start from in place of random values; DPQ takes keys and values from its
  /// k-means codewords.
  public var pretrained: PretrainedTable?

  /// Makes the options of a kind.
  public init(_ kind: EmbeddingKind) { self.kind = kind }

  /// Whether rows have codes.
  public var hasCodes: Bool { kind.hasCodes }

  /// The code layout for rows of `dimension` values, where rows are coded.
  ///
  /// - Throws: `invalidArgument` where the groups do not fit the dimension.
  public func layout(dimension: Int) throws(DPQError) -> CodeLayout? {
    guard hasCodes else { return nil }
    return try CodeLayout(dimension: dimension, groups: groups, codes: codes, isShared: isShared)
  }

  /// Makes the layer that is trained, with a row for each word of `vocabulary`.
  ///
  /// - Throws: `invalidArgument` where the options do not fit the shape; `outOfMemory`.
  public func makeLayer(
    for vocabulary: Vocabulary, dimension: Int, scale: Float, seed: UInt64, threads: Int
  ) throws(DPQError) -> any EmbeddingLayer {
    let rows = vocabulary.count
    guard let pretrained else {
      return try makeLayer(rows: rows, dimension: dimension, scale: scale, seed: seed, threads: threads)
    }
    guard pretrained.table.dimension == dimension else {
      throw DPQError(
        .invalidArgument, "the pre-trained rows have \(pretrained.table.dimension) values, not \(dimension)")
    }
    let table = try pretrained.rows(for: vocabulary, seed: seed).table
    switch kind {
    case .sx, .vq:
      let options = try layerOptions(dimension: dimension, scale: scale, seed: seed, threads: threads)
      return try DPQEmbedding(startingFrom: table, options: options)
    case .adaptive:
      let values = try Matrix(table, threads: threads)
      var square = 0.0
      for value in values.array { square += Double(value * value) }
      // Even numbers in [−s, s) have a mean square of s² / 3.
      let spread = Float((3 * square / Double(max(1, values.count))).squareRoot())
      return try AdaptiveEmbedding(
        startingFrom: table, options: adaptiveOptions(dimension: dimension, scale: spread, seed: seed, threads: threads)
      )
    case .scalar8, .scalar6, .scalar4:
      return try ScalarEmbedding(table: Matrix(table, threads: threads), bits: kind.scalarBits!, threads: threads)
    case .lowRank:
      throw DPQError(.invalidArgument, "a low-rank table starts from random factors: leave --pretrained away")
    case .full, .pq, .dpqTable:
      return try FullEmbedding(table: Matrix(table, threads: threads), threads: threads)
    }
  }

  /// Makes the layer that is trained, with random values.
  ///
  /// - Throws: `invalidArgument` where the options do not fit the shape; `outOfMemory`.
  public func makeLayer(
    rows: Int, dimension: Int, scale: Float, seed: UInt64, threads: Int
  ) throws(DPQError) -> any EmbeddingLayer {
    switch kind {
    case .sx, .vq:
      let options = try layerOptions(dimension: dimension, scale: scale, seed: seed, threads: threads)
      let layer = try DPQEmbedding(rows: rows, options: options)
      if keyScale != nil || queryOffset != 0 {
        layer.query.value.fillUniformly(
          scale: self.scale ?? scale, around: queryOffset, seed: seed, stream: Self.queryStream)
      }
      return layer
    case .adaptive:
      return try AdaptiveEmbedding(
        rows: rows,
        options: adaptiveOptions(dimension: dimension, scale: self.scale ?? scale, seed: seed, threads: threads))
    case .scalar8, .scalar6, .scalar4:
      return try ScalarEmbedding(
        rows: rows, dimension: dimension, bits: kind.scalarBits!, scale: self.scale ?? scale, seed: seed,
        threads: threads)
    case .lowRank:
      var rank = rank
      if rank == nil { rank = try defaultRank(rows: rows, dimension: dimension) }
      return try LowRankEmbedding(
        rows: rows, dimension: dimension, rank: rank!, scale: self.scale ?? scale, seed: seed, threads: threads)
    case .full, .pq, .dpqTable:
      return try FullEmbedding(
        rows: rows, dimension: dimension, scale: self.scale ?? scale, seed: seed, threads: threads)
    }
  }

  /// Options of a DPQ layer.
  private func layerOptions(
    dimension: Int, scale: Float, seed: UInt64, threads: Int
  ) throws(DPQError) -> DPQEmbedding.Options {
    let layout = try CodeLayout(dimension: dimension, groups: groups, codes: codes, isShared: isShared)
    var options = DPQEmbedding.Options(kind == .sx ? .sx : .vq, layout)
    options.temperature = temperature
    options.normalizesResponse = normalizesResponse
    options.isTied = isTied
    options.commitment = commitment
    options.keyAverageDecay = keyAverageDecay
    options.unusedLimit = unusedLimit
    options.keepsEncoder = keepsEncoder
    options.initialScale = keyScale ?? self.scale ?? scale
    options.seed = seed
    options.threads = threads
    return options
  }

  /// Options of an adaptive layer.
  private func adaptiveOptions(
    dimension: Int, scale: Float, seed: UInt64, threads: Int
  ) throws(DPQError) -> AdaptiveEmbedding.Options {
    guard let targetBits else {
      throw DPQError(.invalidArgument, "adaptive codes need a target: mean bits of a row, with --target-bits")
    }
    var options = AdaptiveEmbedding.Options(
      try TierLayout.list(tiers, dimension: dimension), targetBits: targetBits)
    options.choice = choice
    options.variant = tierVariant ?? (pretrained == nil ? .sx : .vq)
    options.phases = phases
    options.selectionRate = selectionRate
    options.initialScale = scale
    options.seed = seed
    options.threads = threads
    return options
  }

  /// The rank whose factors take the bytes that the codes and codebooks asked for would take.
  private func defaultRank(rows: Int, dimension: Int) throws(DPQError) -> Int {
    let layout = try CodeLayout(dimension: dimension, groups: groups, codes: codes, isShared: isShared)
    return LowRankEmbedding.rank(
      rows: rows, dimension: dimension, bytes: rows * layout.rowBytes + 4 * layout.codebookCount)
  }

  private static let queryStream: UInt64 = 1 << 52

  /// What decides the result, in a few words.
  public var summary: String {
    kind.isCompressedLater
      ? "\(kind.rawValue) \(groups) x \(codes)\(isShared ? " shared" : "") of \(trainedSummary)" : trainedSummary
  }

  /// What decides the layer that is trained, in a few words: a full table where it is compressed later.
  public var trainedSummary: String {
    var parts = [kind.isCompressedLater ? EmbeddingKind.full.rawValue : kind.rawValue]
    if hasCodes && !kind.isCompressedLater {
      parts.append("\(groups) x \(codes)")
      if isShared { parts.append("shared") }
    }
    if kind == .adaptive {
      parts.append("tiers \(tiers) of \(targetBits ?? 0) bits, \(choice.rawValue), phases \(phases)")
      if let tierVariant { parts.append("codes by \(tierVariant.rawValue)") }
      if selectionRate != 0.05 { parts.append("selection rate \(selectionRate)") }
    }
    if kind == .lowRank { parts.append(rank.map { "rank \($0)" } ?? "as \(groups) x \(codes)") }
    if let table = pretrained?.table { parts.append("pretrained \(table.rows) x \(table.dimension)") }
    if let scale { parts.append("scale \(scale)") }
    guard kind == .sx || kind == .vq else { return parts.joined(separator: " ") }
    if queryOffset != 0 { parts.append("queries around \(queryOffset)") }
    if let keyScale { parts.append("key scale \(keyScale)") }
    if !normalizesResponse { parts.append("responses as they are") }
    if kind == .sx {
      if temperature != 1 { parts.append("temperature \(temperature)") }
      if isTied { parts.append("tied") }
    } else {
      if commitment != 0 { parts.append("commitment \(commitment)") }
      if let keyAverageDecay { parts.append("key averages \(keyAverageDecay)") }
    }
    if let unusedLimit { parts.append("restart after \(unusedLimit)") }
    return parts.joined(separator: " ")
  }
}
