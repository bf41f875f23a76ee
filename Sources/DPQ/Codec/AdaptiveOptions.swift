/// Lengths of codes that rows choose among (after AdaComp: Kim, Kim, Lee 2020).
public struct AdaptiveOptions: Sendable {
  /// Layouts to choose from; empty for the default ones around the target.
  public var tiers: [TierLayout]
  /// Mean bits of a row: codes and the row's place in the tier map.
  public var targetBits: Double

  /// Makes options.
  public init(tiers: [TierLayout] = [], targetBits: Double) {
    self.tiers = tiers
    self.targetBits = targetBits
  }
}

extension TierLayout {
  /// Reads a list of layouts: `16,32,64` are bits of binary tiers, `8x16,25x16` groups and codes.
  ///
  /// - Throws: `invalidArgument` for a text of another form, or a layout that does not fit the dimension.
  public static func list(_ text: String, dimension: Int) throws(DPQError) -> [TierLayout] {
    var layouts: [TierLayout] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let numbers = part.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
      switch (numbers.count, numbers.first ?? nil, numbers.last ?? nil) {
      case (1, let bits?, _): layouts.append(.binary(try BinaryLayout(dimension: dimension, bits: bits)))
      case (2, let groups?, let codes?):
        layouts.append(.concat(try CodeLayout(dimension: dimension, groups: groups, codes: codes)))
      default:
        throw DPQError(
          .invalidArgument, "'\(part)' is no tier: give bits as in 16,32,64 or groups and codes as in 8x16,25x16")
      }
    }
    return layouts
  }

  /// Layouts of 256 codes whose bits are a quarter of `targetBits` up to eight times as many.
  static func defaults(dimension: Int, targetBits: Double) throws(DPQError) -> [TierLayout] {
    let valid = (1...dimension).filter { CodeLayout.isValid(groups: $0, dimension: dimension) }
    var groups: [Int] = []
    for factor in [0.25, 0.5, 1, 2, 4, 8] {
      let wanted = factor * targetBits / 8
      let nearest = valid.min { abs(Double($0) - wanted) < abs(Double($1) - wanted) } ?? 1
      if groups.last != nearest { groups.append(nearest) }
    }
    var layouts: [TierLayout] = []
    for count in groups { layouts.append(.concat(try CodeLayout(dimension: dimension, groups: count, codes: 256))) }
    return layouts
  }

  /// Fewer rows do not pay for codewords of their own: such a tier is merged with others.
  var fewestRows: Int {
    switch self {
    case .concat(let layout): 2 * layout.codes
    case .binary(let layout): 2 * layout.bits
    }
  }
}
