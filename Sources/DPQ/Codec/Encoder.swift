/// Codes new rows with the codewords of a compressed table.
///
/// Where codes are the nearest codewords rows are rows of the table; where they are responses of a trained layer rows are
/// its queries, and the file holds what codes them (``ResponseEncoder``).
///
/// Rows are coded one by one, so shards of a table coded by different machines and joined give the codes of the whole.
/// Where the table has several tiers all new rows go to one of them: nothing is known of their weight.
public struct Encoder: Sendable {
  /// What rows are coded with, a tier after another.
  public let codewords: [Tier.Codewords]
  /// The tier that new rows go to.
  public let tier: Int
  /// What the codewords describe.
  public let metric: Metric
  private let assignment: Assignment
  private let encoders: [ResponseEncoder?]
  private let norms: CompressedModel.Norms?
  private let recipe: String

  /// Takes the codewords of `table`.
  ///
  /// - Parameter tier: The tier that new rows go to; by default the one of fewest bits.
  /// - Throws: `corruptFile` where its codewords are damaged; `invalidArgument` where there is no such tier;
  ///   `unsupportedVersion` where its codes are the response of a trained layer whose state the file lacks.
  public init(_ table: borrowing CompressedTable, tier: Int = 0) throws(DPQError) {
    _ = try table.shape(ofTier: tier)
    var encoders: [ResponseEncoder?] = []
    for t in table.tiers.indices { encoders.append(try table.encoder(tier: t)) }
    guard table.assignment == .nearest || (encoders[tier] != nil && table.metric == .l2) else {
      throw DPQError(
        .unsupportedVersion,
        "codes of this model are the responses of a trained layer, which the file does not hold: train it with "
          + "--keep-encoder to add rows", .init(file: table.path))
    }
    assignment = table.assignment
    self.encoders = encoders
    self.tier = tier
    codewords = try table.allCodewords()
    metric = table.metric
    norms = table.norms()
    if let lengths = norms?.codebook, !zip(lengths, lengths.dropFirst()).allSatisfy({ $0 <= $1 }) {
      throw DPQError(.corruptFile, "the lengths of rows are not in order", .init(file: table.path))
    }
    recipe = table.recipe
  }

  /// Codes the rows `range` of `table` (all of them without a range), with their words.
  ///
  /// `progress` gets the share done; returning `false` stops with `cancelled`.
  ///
  /// - Throws: `malformedInput` where the rows have another dimension or there are none; `unknownRow` where `range` is
  ///   outside the table; `cancelled`.
  public func encode(
    _ table: EmbeddingTable, range: Range<Int>? = nil, threads: Int = 0, progress: (Double) -> Bool = { _ in true }
  ) throws(DPQError) -> CompressedModel {
    let dimension = codewords[tier].layout.dimension
    guard table.dimension == dimension else {
      throw DPQError(
        .malformedInput, "rows have \(table.dimension) values, the model codes rows of \(dimension)")
    }
    let range = range ?? 0..<table.rows
    guard range.lowerBound >= 0, range.upperBound <= table.rows else {
      throw DPQError(.unknownRow, "rows \(range) are outside the table of \(table.rows) rows")
    }
    guard !range.isEmpty else { throw DPQError(.malformedInput, "there are no rows to code") }
    var options = CompressionOptions()
    options.metric = metric
    options.threads = threads
    let part = table.slice(range)
    let prepared = try PreparedTable(part, options)
    var coded: CompressedModel.Norms?
    if let norms, let lengths = prepared.norms {
      coded = CompressedModel.Norms(
        codebook: norms.codebook, codes: lengths.map { NormQuantizer.code($0, norms.codebook) })
    }
    func report(_ share: Double) throws(DPQError) {
      if !progress(share) { throw DPQError(.cancelled, "stopped") }
    }
    let codes =
      if let encoder = encoders[tier] {
        try encoder.encode(part, threads: threads, report: report)
      } else {
        try codewords[tier].encode(prepared.rows, threads: threads, report: report)
      }
    let tiers = codewords.enumerated().map { t, codewords in
      Tier(
        codewords, codes: t == tier ? codes : [], rows: t == tier ? range.count : 0, encoder: encoders[t])
    }
    return CompressedModel(
      sorted: tiers,
      map: tiers.count > 1 ? try TierMap(repeatElement(tier, count: range.count).map { $0 }, tiers: tiers.count) : nil,
      assignment: assignment, norms: coded, vocabulary: part.vocabulary, recipe: recipe)
  }
}

extension CompressedModel {
  /// These rows behind those of `table`, as one model.
  ///
  /// - Throws: `invalidArgument` where the codebooks differ, or only one of the two has words; `duplicateWord` where a
  ///   word stands in both.
  public func appended(to table: borrowing CompressedTable) throws(DPQError) -> CompressedModel {
    guard try table.allCodewords() == tiers.map(\.codewords), table.assignment == assignment,
      table.norms()?.codebook == norms?.codebook
    else {
      throw DPQError(
        .invalidArgument, "the rows are coded with other codebooks: code them with this model", .init(file: table.path))
    }
    let words = try table.vocabulary()
    guard (words == nil) == (vocabulary == nil) else {
      throw DPQError(
        .invalidArgument,
        words == nil
          ? "the new rows have words and the model has none: leave the vocabulary out"
          : "the model has words and the new rows have none: give a vocabulary", .init(file: table.path))
    }
    let joined = words.flatMap { words in vocabulary.map { words.joined(with: $0) } }
    if let joined, let duplicate = joined.firstDuplicate() {
      throw DPQError(
        .duplicateWord, "\"\(joined[duplicate.second])\" already stands at row \(duplicate.first)",
        .init(row: duplicate.second))
    }
    var lengths = norms
    if let norms, let first = table.norms() {
      lengths = Norms(codebook: norms.codebook, codes: first.codes + norms.codes)
    }
    let joinedTiers = tiers.enumerated().map { t, tier in
      Tier(
        tier.codewords, codes: table.codes(tier: t) + tier.codes, rows: table.tiers[t].rows + tier.rows,
        encoder: tier.encoder)
    }
    var joinedMap: TierMap?
    if let map, let first = try table.map() {
      joinedMap = try TierMap(first.tierOfRow + map.tierOfRow, tiers: tiers.count)
    }
    return CompressedModel(
      sorted: joinedTiers, map: joinedMap, assignment: assignment, norms: lengths, vocabulary: joined,
      recipe: table.recipe)
  }
}

extension CompressedTable {
  /// What the codes of every tier stand for, copied.
  func allCodewords() throws(DPQError) -> [Tier.Codewords] {
    var all: [Tier.Codewords] = []
    for tier in tiers.indices { all.append(try codewords(tier: tier)) }
    return all
  }
}
