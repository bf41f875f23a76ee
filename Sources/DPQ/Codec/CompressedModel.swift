/// A compressed table in memory: tiers of codes and codewords, and words, ready to be written as a `.dpq` file.
public struct CompressedModel: Sendable {
  /// Quantised lengths of rows, kept with the cosine metric.
  public struct Norms: Sendable, Equatable {
    /// 256 lengths, ascending.
    public let codebook: [Float]
    /// The entry of each row.
    public let codes: [UInt8]
  }

  /// Rows coded alike, ascending by bits a row.
  public let tiers: [Tier]
  /// The tier of each row; `nil` where there is one tier.
  public let map: TierMap?
  /// How the codes were chosen.
  public let assignment: Assignment
  /// Lengths of the rows; `nil` unless ``metric`` is cosine.
  public let norms: Norms?
  /// One word a row, if the table has words.
  public let vocabulary: Vocabulary?
  /// JSON of what decided the result: method, options, seed, version. No paths, times or thread counts.
  public let recipe: String

  /// Makes a model of one tier or several.
  ///
  /// Any map will do: learned, by frequency, random, by hand. Tiers may come in any order and are put in the file's,
  /// ascending by bits a row (equal ones as they came). Inside a tier rows stand in the order of the table.
  ///
  /// - Parameters:
  ///   - tiers: 1…256 tiers of one dimension.
  ///   - tierOfRow: The place in `tiers` of each row's tier; `nil` for one tier.
  ///   - norms: Lengths of the rows, one code a row, where the codewords describe unit rows.
  ///   - recipe: A JSON object.
  /// - Throws: `invalidArgument` where the parts do not fit together.
  public init(
    tiers: [Tier], tierOfRow: [Int]? = nil, assignment: Assignment = .nearest, norms: Norms? = nil,
    vocabulary: Vocabulary? = nil, recipe: String
  ) throws(DPQError) {
    func refuse(_ message: String) throws(DPQError) { throw DPQError(.invalidArgument, message) }
    guard (1...256).contains(tiers.count), (tiers.count == 1) == (tierOfRow == nil) else {
      throw DPQError(.invalidArgument, "\(tiers.count) tiers \(tierOfRow == nil ? "without" : "with") a map do not fit")
    }
    if Set(tiers.map(\.layout.dimension)).count > 1 { try refuse("the tiers hold rows of different dimensions") }
    let order = tiers.indices.sorted { (tiers[$0].layout.bitsPerRow, $0) < (tiers[$1].layout.bitsPerRow, $1) }
    let sorted = order.map { tiers[$0] }
    var map: TierMap?
    if let tierOfRow {
      var place = [Int](repeating: 0, count: tiers.count)
      for (new, old) in order.enumerated() { place[old] = new }
      if let row = tierOfRow.firstIndex(where: { !tiers.indices.contains($0) }) {
        throw DPQError(.invalidArgument, "there is no tier \(tierOfRow[row]) of \(tiers.count)", .init(row: row))
      }
      map = try TierMap(tierOfRow.map { place[$0] }, tiers: tiers.count)
      if map?.counts != sorted.map(\.rows) { try refuse("the tiers do not hold the rows that the map says") }
    }
    let rows = tiers.reduce(0) { $0 + $1.rows }
    if let norms, norms.codes.count != rows || norms.codebook.count != FileShape.normCodes {
      try refuse("the lengths do not fit \(rows) rows")
    }
    if let vocabulary, vocabulary.count != rows { try refuse("\(vocabulary.count) words do not fit \(rows) rows") }
    self.init(
      sorted: sorted, map: map, assignment: assignment, norms: norms, vocabulary: vocabulary, recipe: recipe)
  }

  /// Makes a model of one `concat` tier.
  package init(
    assignment: Assignment = .nearest, rows: Int, codes: [UInt8], codebook: Codebook, norms: Norms?,
    vocabulary: Vocabulary?, recipe: String
  ) {
    self.init(
      sorted: [Tier(.concat(codebook), codes: codes, rows: rows)], map: nil, assignment: assignment, norms: norms,
      vocabulary: vocabulary, recipe: recipe)
  }

  init(
    sorted tiers: [Tier], map: TierMap?, assignment: Assignment, norms: Norms?, vocabulary: Vocabulary?, recipe: String
  ) {
    self.tiers = tiers
    self.map = map
    self.assignment = assignment
    self.norms = norms
    self.vocabulary = vocabulary
    self.recipe = recipe
  }

  /// Number of rows.
  public var rows: Int { tiers.reduce(0) { $0 + $1.rows } }
  /// Values of a row.
  public var dimension: Int { tiers[0].layout.dimension }
  /// What the codewords describe: rows, or unit rows and norms.
  public var metric: Metric { norms == nil ? .l2 : .cosine }

  var shape: FileShape {
    var encoders: [Int: (response: ResponseEncoder.Response, isNormalized: Bool)] = [:]
    for (t, tier) in tiers.enumerated() {
      if let encoder = tier.encoder { encoders[t] = (encoder.response, !encoder.statistics.isEmpty) }
    }
    return FileShape(
      tiers: tiers.map(\.shape), metric: metric, assignment: assignment, encoders: encoders,
      vocabularyBytes: vocabulary?.bytes.count, recipe: recipe)
  }

  /// The tiers and bytes of the file this model makes.
  public var plan: CompressionPlan { shape.plan }
  /// Bytes of each part of the file: `header`, then the tensors in file order.
  public var sections: [(name: String, bytes: Int)] { plan.sections }
  /// Bytes of the whole file.
  public var fileBytes: Int { plan.fileBytes }
}
