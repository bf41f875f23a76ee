/// Learns several tiers for a bare table (after AdaComp; rate–distortion over tiers): codewords are trained on the rows of
/// each tier, rows move to the tier with the least weighted error + λ · bits, in turns until both settle.
struct AdaptiveTrainer {
  let prepared: PreparedTable
  let options: CompressionOptions
  let layouts: [TierLayout]
  /// Mean bits of a row: its codes and its place in the map.
  let targetBits: Double

  /// Most turns, and the share of rows that may still move when they end.
  private static let turns = 12
  private static let settled = 0.002
  /// Sweeps of Lloyd's algorithm in a turn: accelerated ones, then plain ones.
  private static let sweeps = (accelerated: 8, plain: 2)

  /// What training came to.
  struct Result {
    /// The tiers that are left.
    var codewords: [Tier.Codewords]
    /// The place in `codewords` of each row's tier.
    var tierOfRow: [Int]
    var turns: Int
  }

  /// Trains; `report` gets the turns done and the weighted error.
  func run(report: (Int, Double) throws(DPQError) -> Void) throws(DPQError) -> Result {
    let rows = prepared.rows.count
    let choice = TierChoice(
      bits: layouts.map { Double($0.bitsPerRow) }, weights: prepared.weights, rows: rows)
    var allowed = layouts.indices.filter { layouts[$0].fewestRows <= rows }
    var codewords: [Tier.Codewords?] = layouts.map { _ in nil }
    var errors = layouts.map { _ in [Float]() }
    let everything = try prepared.all()
    for tier in allowed {
      codewords[tier] = try train(everything, layouts[tier], from: nil)
      errors[tier] = try rowErrors(codewords[tier]!)
    }
    var current = choose(choice, errors, &allowed)
    var best = (choice: current, codewords: codewords)
    var turn = 0
    try report(0, current.error)
    while turn < Self.turns && allowed.count > 1 {
      turn += 1
      for tier in allowed {
        let ids = current.tierOfRow.indices.filter { current.tierOfRow[$0] == tier }
        codewords[tier] = try train(prepared.sample(ids), layouts[tier], from: codewords[tier])
        errors[tier] = try rowErrors(codewords[tier]!)
      }
      let before = current.tierOfRow
      current = choose(choice, errors, &allowed)
      try report(turn, current.error)
      if current.error < best.choice.error { best = (current, codewords) }
      let moved = zip(before, current.tierOfRow).count { $0 != $1 }
      if Double(moved) <= Self.settled * Double(rows) { break }
    }
    let kept = layouts.indices.filter { best.choice.tierOfRow.contains($0) }
    var place = [Int](repeating: 0, count: layouts.count)
    for (new, old) in kept.enumerated() { place[old] = new }
    return Result(
      codewords: kept.map { best.codewords[$0]! }, tierOfRow: best.choice.tierOfRow.map { place[$0] }, turns: turn)
  }

  /// Chooses among the tiers left; those with too few rows are given up, the one with the fewest first.
  private func choose(_ choice: TierChoice, _ errors: [[Float]], _ allowed: inout [Int]) -> TierChoice.Result {
    while true {
      let mapBits = allowed.count > 1 ? TierMap.bits(tiers: allowed.count) : 0
      let result = choice.choose(errors, allowed: allowed, target: targetBits - Double(mapBits))
      var counts = [Int](repeating: 0, count: layouts.count)
      for tier in result.tierOfRow { counts[tier] += 1 }
      // The shortest tier is what the others are measured against: without it the target may be out of reach.
      let poor = allowed.filter { counts[$0] < layouts[$0].fewestRows && $0 != allowed.first }
      guard let merged = poor.min(by: { (counts[$0], $0) < (counts[$1], $1) }) else {
        if counts[allowed[0]] < layouts[allowed[0]].fewestRows, allowed.count > 1 {
          allowed.removeFirst()
          continue
        }
        return result
      }
      allowed.removeAll { $0 == merged }
    }
  }

  private func train(
    _ training: TrainingSet, _ layout: TierLayout, from start: Tier.Codewords?
  ) throws(DPQError) -> Tier.Codewords {
    switch layout {
    case .concat(let layout):
      var first: [Float]
      if case .concat(let codebook) = start {
        first = codebook.values
      } else {
        first = try KMeans.initialCodebook(training, layout: layout, seed: options.seed)
      }
      var kmeans = try KMeans(training, layout: layout, codebook: first, seed: options.seed, threads: options.threads)
      let accelerated = (start == nil ? 2 : 1) * Self.sweeps.accelerated
      for _ in 0..<accelerated { try kmeans.step(accelerating: true) }
      for _ in 0..<Self.sweeps.plain { try kmeans.step() }
      kmeans.restoreBest()
      return .concat(try Codebook(layout: layout, values: kmeans.codebook, storage: options.codebookStorage))
    case .binary(let layout):
      var basis: BinaryBasis?
      if case .binary(let given) = start { basis = given }
      let trainer = BinaryTrainer(
        training: training, layout: layout, storage: options.codebookStorage, seed: options.seed,
        threads: options.threads)
      return .binary(try trainer.train(from: basis, turns: start == nil ? 3 : 1) { (_, _) throws(DPQError) in })
    }
  }

  /// ‖x − x̂‖² of every row of the table in a tier.
  private func rowErrors(_ codewords: Tier.Codewords) throws(DPQError) -> [Float] {
    let rows = prepared.rows
    var errors: [Float] = []
    errors.reserveCapacity(rows.count)
    let block = min(rows.count, Rows.blockRows(rows.dimension))
    let comparison = try Rows.Comparison(capacity: block)
    let rebuilder = try Rebuilder(codewords, capacity: block, threads: options.threads)
    for first in stride(from: 0, to: rows.count, by: block) {
      let part = rows.slice(first: first, count: min(block, rows.count - first))
      let codes = try codewords.encode(part, threads: options.threads) { (_) throws(DPQError) in }
      let rebuilt = try rebuilder.rows(codes, first: 0, count: part.count)
      try part.compare(rebuilt, into: comparison, threads: options.threads)
      for i in 0..<part.count { errors.append(Float(comparison.squaredDistance[i])) }
    }
    return errors
  }
}
