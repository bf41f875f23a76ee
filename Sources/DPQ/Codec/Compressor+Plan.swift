extension Compressor {
  /// The largest number of codes a goal chooses by itself.
  private static let largestChosenCodes = 4096

  func checkOptions(for table: EmbeddingTable) throws(DPQError) {
    func refuse(_ message: String) throws(DPQError) { throw DPQError(.invalidArgument, message) }
    if table.rows == 0 { throw DPQError(.malformedInput, "the table has no rows") }
    if let epochs = options.epochs, epochs < 1 { try refuse("\(epochs) epochs are not possible: ask for at least 1") }
    if let sample = options.sample, sample < 1 { try refuse("a sample of \(sample) rows is not possible") }
    if options.threads < 0 { try refuse("\(options.threads) threads are not possible: 0 stands for all processors") }
    if let memory = options.memoryBytes, memory < 1 { try refuse("\(memory) bytes of memory are not possible") }
    if let codes = options.codes, codes > table.rows {
      try refuse("\(codes) codes for \(table.rows) rows: choose at most \(table.rows) codes")
    }
    if options.method == .binary || options.adaptive != nil {
      let option = options.method == .binary ? "binary codes" : "adaptive lengths"
      if options.goal != .layout { try refuse("\(option) meet no goal for file or ratio: say the bits") }
      if options.groups != nil || options.codes != nil || options.isShared {
        try refuse("\(option) have no groups, codes or shared codebook of their own")
      }
    }
    if options.bits != nil, options.method != .binary || options.adaptive != nil {
      try refuse("bits are for the method binary: say groups and codes, or tiers")
    }
    if options.adaptive != nil, ![.kmeans, .binary].contains(options.method) {
      try refuse("adaptive lengths are learned by the sweeps of kmeans: leave the method out")
    }
    if let weights = options.weights {
      guard weights.count == table.rows else {
        throw DPQError(.invalidArgument, "\(weights.count) weights do not fit \(table.rows) rows")
      }
      if let row = weights.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
        throw DPQError(.invalidArgument, "the weight \(weights[row]) is not a number from 0 up", .init(row: row))
      }
      if weights.allSatisfy({ $0 == 0 }) { try refuse("all weights are 0: at least one row must count") }
    }
  }

  /// Rows to train on, or `nil` for all: what the options ask for, no more than memory allows.
  func trainingRows(of table: EmbeddingTable) -> Int? {
    var count = table.rows
    if let sample = options.sample { count = min(count, sample) }
    if let memory = options.memoryBytes, count * table.dimension * table.elementType.byteCount > memory / 2 {
      // Half for the copied rows; the other half holds codes, codebooks and workspaces.
      count = min(count, max(1, memory / 2 / (table.dimension * table.elementType.byteCount)))
    }
    return count == table.rows ? nil : count
  }

  /// Fewer rows than codes would leave codewords that no row was ever near to.
  private func checkSample(of table: EmbeddingTable, _ layout: CodeLayout) throws(DPQError) {
    guard let sample = trainingRows(of: table), sample < layout.codes else { return }
    throw DPQError(
      .invalidArgument,
      "\(sample) training rows cannot teach \(layout.codes) codes: raise the sample or the memory, or choose fewer codes"
    )
  }

  func shape(of table: EmbeddingTable, layout: TierLayout) -> FileShape {
    FileShape(
      tiers: [TierShape(layout: layout, storage: options.codebookStorage, rows: table.rows)],
      metric: options.metric, assignment: .nearest, vocabularyBytes: table.vocabulary?.bytes.count,
      recipe: Recipe(options, layouts: [layout], sample: trainingRows(of: table)).json)
  }

  /// The layout that the options ask for, or the one with the least expected error that meets the goal.
  func chooseLayout(for table: EmbeddingTable) throws(DPQError) -> CodeLayout {
    let limit: Int
    switch options.goal {
    case .layout:
      let layout = try defaultLayout(for: table)
      try checkSample(of: table, layout)
      return layout
    case .fileBytes(let bytes):
      guard bytes > 0 else { throw DPQError(.invalidArgument, "a file of \(bytes) bytes is not possible") }
      limit = bytes
    case .ratio(let ratio):
      limit = try bytes(table.tableBytes, dividedBy: ratio, "a ratio of \(ratio)") + vocabularyBytes(of: table)
    case .bitsPerDimension(let bits):
      limit =
        try bytes(table.tableBytes, dividedBy: 32 / bits, "\(bits) bits per dimension") + vocabularyBytes(of: table)
    }
    // More bytes than the plain table serve nobody, unless the table is so small that every file has more.
    let plain = table.tableBytes + vocabularyBytes(of: table)
    let sensible = limit > plain ? try? candidates(for: table, limit: plain) : nil
    let found = if let sensible { sensible } else { try candidates(for: table, limit: limit) }
    let layout = found.count == 1 ? found[0] : try pilot(found, table)
    try checkSample(of: table, layout)
    return layout
  }

  private func bytes(_ bytes: Int, dividedBy ratio: Double, _ wish: String) throws(DPQError) -> Int {
    guard ratio > 0, ratio.isFinite else { throw DPQError(.invalidArgument, "\(wish) is not possible") }
    return Int(min(Double(bytes) / ratio, 1e18))
  }

  private func vocabularyBytes(of table: EmbeddingTable) -> Int {
    table.vocabulary.map { $0.bytes.count + 8 * (2 * table.rows + 1) } ?? 0
  }

  private func defaultLayout(for table: EmbeddingTable) throws(DPQError) -> CodeLayout {
    let codes = options.codes ?? 256
    guard codes <= table.rows else {
      throw DPQError(
        .invalidArgument,
        "the table has \(table.rows) rows, fewer than the \(codes) codes of the default: choose --codes")
    }
    let dimension = table.dimension
    let groups =
      options.groups
      ?? Self.validGroups(dimension).min { abs(4 * $0 - dimension) < abs(4 * $1 - dimension) }
    return try CodeLayout(dimension: dimension, groups: groups ?? 1, codes: codes, isShared: options.isShared)
  }

  private static func validGroups(_ dimension: Int) -> [Int] {
    (1...dimension).filter { CodeLayout.isValid(groups: $0, dimension: dimension) }
  }

  /// For every number of codes, the most groups whose file fits `limit` bytes; those of them that spend clearly fewer
  /// bits than the best are left out.
  private func candidates(for table: EmbeddingTable, limit: Int) throws(DPQError) -> [CodeLayout] {
    let powers = sequence(first: 2) { $0 < Self.largestChosenCodes ? 2 * $0 : nil }.filter { $0 <= table.rows }
    let allCodes = options.codes.map { [$0] } ?? powers
    guard !allCodes.isEmpty else {
      throw DPQError(.invalidArgument, "a table of \(table.rows) row cannot be compressed")
    }
    if let groups = options.groups {
      _ = try CodeLayout(dimension: table.dimension, groups: groups, codes: 2, isShared: options.isShared)
    }
    let allGroups = options.groups.map { [$0] } ?? Self.validGroups(table.dimension)
    var fitting: [CodeLayout] = []
    var smallest: (layout: CodeLayout, plan: CompressionPlan)?
    for codes in allCodes {
      // File size grows with groups but for the padding of a codebook, so nearly the first one tried from above fits.
      for groups in allGroups.reversed() {
        let layout = try CodeLayout(
          dimension: table.dimension, groups: groups, codes: codes, isShared: options.isShared)
        let codebookBytes = layout.codebookCount * options.codebookStorage.byteCount
        let isTooLarge = table.rows * layout.rowBytes + codebookBytes > limit
        if isTooLarge, let smallest, smallest.plan.fileBytes <= table.rows * layout.rowBytes + codebookBytes {
          continue
        }
        let plan = shape(of: table, layout: .concat(layout)).plan
        if plan.fileBytes < smallest?.plan.fileBytes ?? .max { smallest = (layout, plan) }
        if plan.fileBytes <= limit {
          fitting.append(layout)
          break
        }
      }
    }
    guard let most = fitting.map(\.bitsPerRow).max() else {
      guard let smallest else { throw DPQError(.invalidArgument, "no layout fits this table") }
      let (layout, plan) = smallest
      let possible: String =
        switch options.goal {
        case .ratio: "the largest possible ratio is \(Self.rounded(plan.ratio, down: true))"
        case .bitsPerDimension:
          "the fewest possible bits per dimension are \(Self.rounded(plan.bitsPerDimension, down: false))"
        default: "the smallest possible file has \(plan.fileBytes) bytes"
        }
      throw DPQError(
        .invalidArgument,
        "no layout meets the target: \(possible) (\(layout.groups) groups of \(layout.codes) codes)")
    }
    return fitting.filter { 5 * $0.bitsPerRow >= 4 * most }
  }

  /// `value` with three decimals, rounded to the side on which it is still possible.
  private static func rounded(_ value: Double, down: Bool) -> Double {
    (value * 1000).rounded(down ? .down : .up) / 1000
  }

  /// The layout with the least expected error, told by training each for a few sweeps on a sample.
  ///
  /// Codebooks fit the rows they are trained on better than others: by about as much as others fit worse, and in
  /// proportion to codes ÷ rows. So half of the sample is kept apart, and the two errors give the one to expect when
  /// all rows train.
  private func pilot(_ layouts: [CodeLayout], _ table: EmbeddingTable) throws(DPQError) -> CodeLayout {
    let prepared = try PreparedTable(table, options)
    var best: (layout: CodeLayout, error: Double)?
    for layout in layouts {
      var generator = SeededGenerator(seed: options.seed, stream: 1 << 40)
      let wanted = min(table.rows, max(8192, 8 * layout.codes))
      let ids = generator.evenSample(wanted, below: table.rows)
      let isWhole = 2 * wanted > table.rows
      let training = try prepared.sample(isWhole ? ids : stride(from: 0, to: wanted, by: 2).map { ids[$0] })
      let codebook = try KMeans.initialCodebook(training, layout: layout, seed: options.seed)
      var kmeans = try KMeans(
        training, layout: layout, codebook: codebook, seed: options.seed, threads: options.threads)
      for sweep in 0..<6 { try kmeans.step(accelerating: sweep < 5) }
      var error = kmeans.error / training.totalWeight
      if !isWhole {
        let kept = try prepared.sample(stride(from: 1, to: wanted, by: 2).map { ids[$0] })
        var other = try KMeans(
          kept, layout: layout, codebook: kmeans.codebook, seed: options.seed, threads: options.threads)
        try other.step()
        let unseen = other.error / kept.totalWeight
        let share = Double(training.rows.count) / Double(table.rows)
        error = (unseen + error) / 2 - (unseen - error) / 2 * share
      }
      if error < best?.error ?? .infinity { best = (layout, error) }
    }
    return best?.layout ?? layouts[0]
  }
}
