import DPQ

extension EmbeddingLayer {
  /// What a report tells of the layer itself: for adaptive codes the tiers and who is in them.
  func reportMembers(_ vocabulary: Vocabulary) -> [(String, JSON)] {
    (self as? AdaptiveEmbedding)?.tierMembers(vocabulary) ?? []
  }
}

extension AdaptiveEmbedding {
  /// Words named of each end.
  private static let examples = 20

  fileprivate func tierMembers(_ vocabulary: Vocabulary) -> [(String, JSON)] {
    let tierOfRow = currentTiers
    let uses = uses
    let bits = options.tiers.map(\.bitsPerRow)
    var rowsOfTier = [[Int]](repeating: [], count: bits.count)
    for (row, tier) in tierOfRow.enumerated() { rowsOfTier[tier].append(row) }
    // The most used words of a tier say most about it; rows are ordered by id where they were used alike.
    let words = { (tier: Int) -> JSON in
      let rows = rowsOfTier[tier].sorted { (uses[$1], $0) < (uses[$0], $1) }.prefix(Self.examples)
      return .array(rows.map { .string(vocabulary[$0]) })
    }
    return [
      ("bits_per_row", .double(meanBits)),
      (
        "tiers",
        .array(
          zip(options.tiers, rowsOfTier).map { layout, rows in
            .object([
              ("kind", .string(layout.kind)), ("groups", .integer(layout.groups)), ("codes", .integer(layout.codes)),
              ("bits", .integer(layout.bitsPerRow)), ("rows", .integer(rows.count)),
            ])
          })
      ), ("bits_by_uses", .array(Self.bands(uses, tierOfRow.map { bits[$0] }))),
      ("shortest", words(0)), ("longest", words(bits.count - 1)),
    ]
  }

  /// Mean bits of the rows whose uses while selecting lie between powers of ten.
  private static func bands(_ uses: [Int], _ bits: [Int]) -> [JSON] {
    var bands: [JSON] = []
    var (first, end) = (0, 1)
    while first <= uses.max() ?? 0 {
      let rows = uses.indices.filter { (first..<end).contains(uses[$0]) }
      if !rows.isEmpty {
        let mean = Double(rows.reduce(0) { $0 + bits[$1] }) / Double(rows.count)
        bands.append(
          .object([("from", .integer(first)), ("rows", .integer(rows.count)), ("bits", .double(mean))]))
      }
      (first, end) = (end, 10 * end)
    }
    return bands
  }
}
