extension AdaptiveEmbedding {
  /// What the layer is doing; training goes through these in order.
  public enum Phase: Int, Sendable, CaseIterable {
    /// Every row tries all tiers and learns which one it gains by.
    case select
    /// Tiers are settled; rows learn their codes within them.
    case codes
    /// Codes are settled too; the codewords still learn.
    case tune
  }

  /// How the tier of a row is decided; all but `learned` are there to compare with.
  public enum Choice: String, Sendable, CaseIterable {
    /// By the task: by what shorter codes would cost it, to second order in what they change of a row.
    case learned
    /// By the task: by the gradient that goes straight through the choice, which is the first order of the same.
    case straightThrough = "straight-through"
    /// The more often a row was used while selecting, the longer its code.
    case frequency
    /// At random, with as many rows a tier as `learned` would give.
    case random
  }

  /// What to make.
  public struct Options: Sendable {
    /// The tiers rows choose from.
    public var tiers: [TierLayout]
    /// Mean bits of a row to hold to: its code and its place in the tier map.
    public var targetBits: Double
    /// How `concat` tiers choose codes.
    public var variant = DPQEmbedding.Variant.sx
    /// How the tier of a row is decided.
    public var choice = Choice.learned
    /// Shares of the training spent in each phase; their sum is the whole.
    public var phases: [Double] = [0.4, 0.4, 0.2]
    /// How far a use of a row at the usual cost moves its logits.
    public var selectionRate: Float = 0.05
    /// Temperature of the choice at the start and at the end of the selection.
    public var temperatures: (start: Float, end: Float) = (1, 0.5)
    /// Queries, keys and values start evenly in [−scale, scale), as the table they replace would.
    public var initialScale: Float = 0.05
    /// Seeds every random choice.
    public var seed: UInt64 = 0
    /// Threads of the kernels, 0 for all processors; results are the same bytes at any number.
    public var threads = 0

    /// Rows in `tiers` of `targetBits` mean bits.
    public init(_ tiers: [TierLayout], targetBits: Double) {
      self.tiers = tiers
      self.targetBits = targetBits
    }

    /// Checks ranges.
    func check() throws(DPQError) {
      func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(DPQError) {
        if !condition { throw DPQError(.invalidArgument, message()) }
      }
      try require((2...16).contains(tiers.count), "adaptive codes choose from 2 to 16 tiers, not \(tiers.count)")
      try require(Set(tiers.map(\.dimension)).count == 1, "the tiers hold rows of different dimensions")
      let mapBits = TierMap.bits(tiers: tiers.count)
      let bits = tiers.map { $0.bitsPerRow + mapBits }
      try require(Set(bits).count == tiers.count, "two tiers have codes of the same length")
      try require(
        targetBits > Double(bits.min()!) && targetBits < Double(bits.max()!),
        "\(targetBits) bits a row are not between those of the tiers with their map, \(bits.min()!) and \(bits.max()!)")
      try require(
        phases.count == Phase.allCases.count && phases.allSatisfy { $0 >= 0 } && phases.reduce(0, +) > 0,
        "the phases need three shares of the training, none below 0")
      try require(temperatures.start > 0 && temperatures.end > 0, "temperatures are above 0")
      try require(selectionRate > 0, "the rate of the selection is above 0")
    }
  }
}
