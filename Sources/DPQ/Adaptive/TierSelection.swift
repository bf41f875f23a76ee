#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which tier each row takes, learned with the task (after AdaComp: Kim, Kim, Lee 2020).
///
/// A row has a logit a tier: what that tier would have cost the task so far, negated. A batch chooses by Gumbel-softmax
/// (Jang, Gu, Poole 2017), hard forward; rows learn straight through the tier chosen. Bits have a price λ that is taken off the logits before the
/// choice; it is found anew each batch so that the expected bits of a row are the target. So the target holds all the
/// time, and what is learned is who gets the bits.
struct TierSelection {
  /// Bits of a row in each tier, ascending.
  let bits: [Int]
  /// Mean bits of a row to hold to.
  let targetBits: Double
  /// What each tier would have cost each row so far, negated, in usual costs: `[rows × tiers]`.
  let logits: Matrix
  /// Batches that used each row, `[rows × 1]`.
  let uses: Matrix
  /// The usual cost (straight through: mean square of the moves), batches seen, and the price of a bit: `[1 × 3]`.
  let progress: Matrix
  /// Divides logits and noise before the softmax.
  var temperature: Float = 1
  /// How far one use of a row moves its logits at the usual cost.
  private let rate: Float
  private let seed: UInt64
  /// Tier chosen for each id of the batch, and the probabilities it was chosen by, `[batch × tiers]`.
  private(set) var choices: [Int32] = []
  private var probabilities: [Float] = []
  private var ids: [Int32] = []

  /// Streams of the noise and of shuffles; those of layers lie above.
  private static let stream: UInt64 = 1 << 48
  static let shuffleStream: UInt64 = 1 << 47
  /// Batches from one look for the price to the next: it moves slowly.
  private static let batchesAPrice = 16

  init(rows: Int, bits: [Int], targetBits: Double, rate: Float, seed: UInt64) throws(DPQError) {
    self.bits = bits
    self.targetBits = targetBits
    self.rate = rate
    self.seed = seed
    logits = try Matrix(rows: rows, columns: bits.count)
    uses = try Matrix(rows: rows, columns: 1)
    progress = try Matrix(rows: 1, columns: 3)
  }

  private var tiers: Int { bits.count }

  /// Chooses a tier for each id.
  mutating func choose(_ ids: Span<Int32>) {
    let step = Int(progress[0, 1])
    progress[0, 1] += 1
    // On large tables a part of the rows tells the price.
    if step % Self.batchesAPrice == 0 { progress[0, 2] = Float(priceOfTarget(sampling: max(1, logits.rows / 4096))) }
    let offers = bits.map { progress[0, 2] * Float($0) }
    choices.removeAll(keepingCapacity: true)
    probabilities.removeAll(keepingCapacity: true)
    self.ids.removeAll(keepingCapacity: true)
    var scores = [Float](repeating: 0, count: tiers)
    for i in ids.indices {
      let row = Int(ids[i])
      // Noise by place, so that it is the same however the work is cut.
      var generator = SeededGenerator(seed: seed, stream: Self.stream + UInt64(step) << 24 + UInt64(i))
      var best = 0
      for t in 0..<tiers {
        let noise = -log(-log(max(generator.uniform(), 1e-300)))
        scores[t] = (logits[row, t] - offers[t] + Float(noise)) / temperature
        if scores[t] > scores[best] { best = t }
      }
      choices.append(Int32(best))
      self.ids.append(ids[i])
      let total = scores.reduce(Float(0)) { $0 + exp($1 - scores[best]) }
      for t in 0..<tiers { probabilities.append(exp(scores[t] - scores[best]) / total) }
    }
  }

  /// Moves the logits by what each tier would cost in each place, `[batch × tiers]`.
  ///
  /// Costs add up, in units of the usual one: rows that are used more, or to which the tier matters more, move farther,
  /// which is what tells them apart. All tiers are learned of in every use, whichever was chosen.
  mutating func learn(_ costs: [Float]) {
    precondition(costs.count == choices.count * tiers)
    let total = costs.reduce(0) { $0 + Double($1) }
    guard total > 0, total.isFinite else { return count() }
    let scale = rate / smoothed(Float(total / Double(costs.count)))
    for (i, id) in ids.enumerated() {
      for t in 0..<tiers { logits[Int(id), t] -= scale * costs[i * tiers + t] }
    }
    count()
  }

  /// Moves the logits by the gradients of the loss by each tier's share in each place, `[batch × tiers]`, as they come
  /// through the softmax: the estimator that ``learn(_:)`` is to be compared with.
  mutating func learnStraightThrough(_ gradients: [Float]) {
    precondition(gradients.count == choices.count * tiers)
    var square = 0.0
    var moves = gradients
    for i in choices.indices {
      let places = (i * tiers)..<((i + 1) * tiers)
      let mean = places.reduce(Float(0)) { $0 + probabilities[$1] * gradients[$1] }
      for p in places {
        moves[p] = probabilities[p] * (gradients[p] - mean) / temperature
        square += Double(moves[p] * moves[p])
      }
    }
    guard square > 0 else { return count() }
    let usual = Float(square / Double(moves.count))
    let scale = rate / smoothed(usual).squareRoot()
    for (i, id) in ids.enumerated() {
      for t in 0..<tiers { logits[Int(id), t] -= scale * moves[i * tiers + t] }
    }
    count()
  }

  /// A running mean of what ``progress`` begins with.
  private func smoothed(_ usual: Float) -> Float {
    progress[0, 0] = progress[0, 0] == 0 ? usual : progress[0, 0] + 0.01 * (usual - progress[0, 0])
    return progress[0, 0]
  }

  /// Counts the uses of the batch.
  private func count() {
    for id in ids { uses[Int(id), 0] += 1 }
  }

  /// The tier of each row when the choice is over, without noise: the logits less the price at which the mean bits are
  /// the target. Rows that were never used take the shortest.
  func settle() -> [Int] {
    let tierOfRow = { (price: Double) in
      (0..<logits.rows).map { row in uses[row, 0] == 0 ? 0 : cheapest(row, price) }
    }
    var (low, high) = (-1e6, 1e6)
    for _ in 0..<80 {
      let middle = (low + high) / 2
      if meanBits(tierOfRow(middle)) > targetBits { low = middle } else { high = middle }
    }
    return tierOfRow(high)
  }

  /// Mean bits of a row.
  func meanBits(_ tierOfRow: [Int]) -> Double {
    Double(tierOfRow.reduce(0) { $0 + bits[$1] }) / Double(max(1, tierOfRow.count))
  }

  private func cheapest(_ row: Int, _ price: Double) -> Int {
    var best = 0
    for t in 1..<tiers where score(row, t, price) > score(row, best, price) { best = t }
    return best
  }

  private func score(_ row: Int, _ tier: Int, _ price: Double) -> Double {
    Double(logits[row, tier]) - price * Double(bits[tier])
  }

  /// The price at which the expected bits of a row, over every `sampling`-th row and without noise, are the target.
  private func priceOfTarget(sampling: Int) -> Double {
    let longest = Double(bits[tiers - 1])
    // In logits a bit; prices beyond these leave only the shortest or the longest tier.
    var (low, high) = (-1e3 / longest, 1e3 / longest)
    var terms = [Double](repeating: 0, count: tiers)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      var (sum, count) = (0.0, 0.0)
      for row in stride(from: 0, to: logits.rows, by: sampling) {
        var largest = -Double.infinity
        for t in 0..<tiers {
          terms[t] = score(row, t, middle)
          largest = max(largest, terms[t])
        }
        var (total, expected) = (0.0, 0.0)
        for t in 0..<tiers {
          let weight = exp(terms[t] - largest)
          total += weight
          expected += weight * Double(bits[t])
        }
        sum += expected / total
        count += 1
      }
      if sum / count > targetBits { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
