/// Which tier each row of a table is in, packed, with counts that make finding a row's place in its tier constant in time.
public struct TierMap: Sendable, Equatable {
  /// Rows between two counts.
  static let rankBlock = 512

  /// Number of rows.
  public let rows: Int
  /// Number of tiers, 2…256.
  public let tiers: Int
  /// ⌈log2 tiers⌉ bits a row, least significant first, without padding between rows.
  let packed: [UInt8]
  /// `[⌈rows / 512⌉][tiers]`: rows of each tier before each block of 512.
  let rank: [UInt64]
  /// Rows of each tier.
  public let counts: [Int]

  /// Packs the tier of each row.
  ///
  /// - Throws: `invalidArgument` where `tiers` is outside 2…256, or a row is in a tier that there is not.
  public init(_ tierOfRow: [Int], tiers: Int) throws(DPQError) {
    guard (2...256).contains(tiers) else {
      throw DPQError(.invalidArgument, "a map of \(tiers) tiers is not possible: 2 to 256 are")
    }
    let bits = Self.bits(tiers: tiers)
    var packed = [UInt8](repeating: 0, count: Self.byteCount(rows: tierOfRow.count, tiers: tiers))
    var rank: [UInt64] = []
    var counts = [Int](repeating: 0, count: tiers)
    for (row, tier) in tierOfRow.enumerated() {
      guard (0..<tiers).contains(tier) else {
        throw DPQError(.invalidArgument, "there is no tier \(tier) of \(tiers)", .init(row: row))
      }
      if row % Self.rankBlock == 0 { rank += counts.map(UInt64.init) }
      counts[tier] += 1
      let place = row * bits
      packed[place / 8] |= UInt8(truncatingIfNeeded: tier << (place % 8))
      if place % 8 + bits > 8 { packed[place / 8 + 1] |= UInt8(truncatingIfNeeded: tier >> (8 - place % 8)) }
    }
    self.rows = tierOfRow.count
    self.tiers = tiers
    self.packed = packed
    self.rank = rank
    self.counts = counts
  }

  /// The tier of a row.
  public subscript(row: Int) -> Int {
    precondition(row >= 0 && row < rows)
    let bits = Self.bits(tiers: tiers)
    let place = row * bits
    var value = Int(packed[place / 8]) >> (place % 8)
    if place % 8 + bits > 8 { value |= Int(packed[place / 8 + 1]) << (8 - place % 8) }
    return value & (1 << bits - 1)
  }

  /// The tier of every row.
  public var tierOfRow: [Int] { (0..<rows).map { self[$0] } }

  /// Bits of a row in the map: ⌈log2 tiers⌉.
  static func bits(tiers: Int) -> Int { Int.bitWidth - (tiers - 1).leadingZeroBitCount }
  /// Bytes of the map.
  static func byteCount(rows: Int, tiers: Int) -> Int { (rows * bits(tiers: tiers) + 7) / 8 }
  /// Counts of all blocks together.
  static func rankCount(rows: Int, tiers: Int) -> Int { (rows + rankBlock - 1) / rankBlock * tiers }
}
