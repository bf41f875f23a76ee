/// Which tier each row takes: the one with the least weighted error + λ · bits, λ such that the mean of the bits is as
/// asked.
struct TierChoice {
  /// Bits of a row of each tier.
  let bits: [Double]
  /// One factor a row, or `nil` for 1.
  let weights: [Float]?
  let rows: Int

  /// What a choice came to.
  struct Result {
    var tierOfRow: [Int]
    var lambda: Double
    var meanBits: Double
    /// Σ w·‖x − x̂‖².
    var error: Double
  }

  /// The choice among the tiers `allowed` from the error of each row in each tier, `errors[tier][row]`, with mean bits of
  /// at most `target`.
  func choose(_ errors: [[Float]], allowed: [Int], target: Double) -> Result {
    let free = assign(errors, allowed, lambda: 0)
    if free.meanBits <= target { return free }
    var low = 0.0
    var high = max(free.error, .leastNormalMagnitude) * 1e-12
    var best = assign(errors, allowed, lambda: high)
    while best.meanBits > target && high < .greatestFiniteMagnitude / 4 {
      low = high
      high *= 4
      best = assign(errors, allowed, lambda: high)
    }
    // The mean falls row by row as λ rises; once it is within a thousandth more steps change next to nothing.
    for _ in 0..<60 where best.meanBits < 0.9995 * target {
      let middle = (low + high) / 2
      let tried = assign(errors, allowed, lambda: middle)
      if tried.meanBits > target {
        low = middle
      } else {
        high = middle
        best = tried
      }
    }
    return best
  }

  private func assign(_ errors: [[Float]], _ allowed: [Int], lambda: Double) -> Result {
    var result = Result(
      tierOfRow: [Int](repeating: allowed[0], count: rows), lambda: lambda, meanBits: 0, error: 0)
    var total = 0.0
    for row in 0..<rows {
      let weight = Double(weights?[row] ?? 1)
      var (best, least) = (allowed[0], Double.infinity)
      for tier in allowed {
        let cost = weight * Double(errors[tier][row]) + lambda * bits[tier]
        if cost < least { (best, least) = (tier, cost) }
      }
      result.tierOfRow[row] = best
      result.error += weight * Double(errors[best][row])
      total += bits[best]
    }
    result.meanBits = total / Double(max(1, rows))
    return result
  }
}
