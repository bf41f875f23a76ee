import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A look inside adaptive code lengths: how many rows each tier has, and which words get the bits.
package struct AdaptiveLook {
  /// Rows that have something in common, and their mean bits, places in the tier map not counted.
  package struct Band: Equatable {
    /// What they have in common.
    package var name: String
    /// How many they are.
    package var rows: Int
    /// Mean bits of their codes.
    package var bits: Double
  }

  /// Mean bits of all rows, places in the tier map counted.
  package let meanBits: Double
  /// The tiers, ascending by bits.
  package let tiers: [TierLayout]
  /// Rows of each tier.
  package let rows: [Int]
  /// Rows by powers of ten of the batches that used them while tiers were selected.
  package let byUses: [Band]
  /// Rows by how much their labels differ from those of all words (G of Dunning 1993); empty without labels.
  package let byAssociation: [Band]
  /// Rows by the label they have most often; empty without labels.
  package let byLabel: [Band]
  /// The most used words of the shortest and of the longest tier.
  package let shortest: [String]
  /// The most used words of the shortest and of the longest tier.
  package let longest: [String]

  /// Words named of each end.
  private static let examples = 20

  /// Looks into `layer`; `labels` tells what its words were labelled with in training.
  package init(_ layer: AdaptiveEmbedding, vocabulary: Vocabulary, labels: WordLabels? = nil) {
    let tierOfRow = layer.currentTiers
    let uses = layer.uses
    let tiers = layer.options.tiers
    let bits = tierOfRow.map { Double(tiers[$0].bitsPerRow) }
    meanBits = layer.meanBits
    self.tiers = tiers
    rows = tierOfRow.reduce(into: [Int](repeating: 0, count: tiers.count)) { $0[$1] += 1 }
    func band(_ name: String, _ isIn: (Int) -> Bool) -> Band? {
      let rows = bits.indices.filter(isIn)
      guard !rows.isEmpty else { return nil }
      return Band(name: name, rows: rows.count, bits: rows.reduce(0) { $0 + bits[$1] } / Double(rows.count))
    }
    var bands: [Band?] = []
    var (first, end) = (0, 1)
    while first <= uses.max() ?? 0 {
      bands.append(band(first == 0 ? "0" : "\(first)-\(end - 1)") { (first..<end).contains(uses[$0]) })
      (first, end) = (end, 10 * end)
    }
    byUses = bands.compactMap(\.self)
    let association = labels?.association() ?? []
    let edges: [Double] = [0, 1, 10, 100, .infinity]
    byAssociation =
      labels == nil
      ? []
      : zip(edges, edges.dropFirst()).compactMap { low, high in
        band(high == .infinity ? "\(Int(low))-" : "\(Int(low))-\(Int(high))") {
          uses[$0] > 0 && association[$0] >= low && association[$0] < high
        }
      }
    let most = labels?.mostFrequent() ?? []
    byLabel = labels?.names.indices.compactMap { label in band(labels!.names[label]) { most[$0] == label } } ?? []
    func words(_ tier: Int) -> [String] {
      let rows = tierOfRow.indices.filter { tierOfRow[$0] == tier }
      return rows.sorted { (uses[$1], $0) < (uses[$0], $1) }.prefix(Self.examples).map { vocabulary[$0] }
    }
    shortest = words(0)
    longest = words(tiers.count - 1)
  }

  /// What a report's JSON says of it.
  package var members: [(String, JSON)] {
    func bands(_ bands: [Band]) -> JSON {
      .array(
        bands.map { .object([("name", .string($0.name)), ("rows", .integer($0.rows)), ("bits", .double($0.bits))]) })
    }
    var members: [(String, JSON)] = [
      ("bits_per_row", .double(meanBits)),
      (
        "tiers",
        .array(
          zip(tiers, rows).map { layout, rows in
            .object([
              ("kind", .string(layout.kind)), ("groups", .integer(layout.groups)), ("codes", .integer(layout.codes)),
              ("bits", .integer(layout.bitsPerRow)), ("rows", .integer(rows)),
            ])
          })
      ), ("bits_by_uses", bands(byUses)),
    ]
    if !byAssociation.isEmpty { members.append(("bits_by_association", bands(byAssociation))) }
    if !byLabel.isEmpty { members.append(("bits_by_label", bands(byLabel))) }
    return members + [
      ("shortest", .array(shortest.map { .string($0) })), ("longest", .array(longest.map { .string($0) })),
    ]
  }

  private var groups: [(title: String, bands: [Band])] {
    [("uses in training", byUses), ("association with a label, G", byAssociation), ("most frequent label", byLabel)]
      .filter { !$0.1.isEmpty }
  }

  /// The look as tables for people.
  package var text: String {
    var rows = [["tier", "bits", "rows", "share"]]
    let total = self.rows.reduce(0, +)
    for (tier, count) in zip(tiers, self.rows) {
      rows.append([
        name(tier), "\(tier.bitsPerRow)", Format.grouped(count), Format.percent(count, of: total),
      ])
    }
    var text = Format.table(rows)
    for group in groups {
      let bands = group.bands.map { [Format.printable($0.name), Format.grouped($0.rows), Format.fixed($0.bits, 1)] }
      text += "\n" + Format.table([[group.title, "rows", "mean bits"]] + bands)
    }
    for (name, words) in [("shortest", shortest), ("longest", longest)] where !words.isEmpty {
      text += "\n\(name): " + words.map(Format.printable).joined(separator: " ") + "\n"
    }
    return text
  }

  private func name(_ tier: TierLayout) -> String {
    tier.concat == nil ? "\(tier.bitsPerRow) bits" : "\(tier.groups) x \(tier.codes)"
  }

  /// The look as a picture: a panel of bars for the tiers, and one for each way to band the rows.
  package var svg: String {
    let shares = zip(tiers, rows).map { tier, rows in
      (label: tier.concat == nil ? name(tier) : "\(name(tier)), \(tier.bitsPerRow) bits", value: Double(rows))
    }
    var panels = [(title: "rows of a tier", bars: shares)]
    for group in groups {
      panels.append(
        ("mean bits by \(group.title)", group.bands.map { (label: $0.name, value: $0.bits) }))
    }
    let (width, barHeight, left, right) = (720.0, 18.0, 190.0, 640.0)
    let height = panels.reduce(64.0) { $0 + 40 + barHeight * Double($1.bars.count) }
    var picture = SVG(width: width, height: height)
    let title = "Adaptive code lengths: \(Format.bits(meanBits)) bits a row"
    picture.text(title, 24, 28, style: "title")
    var y = 56.0
    for (index, panel) in panels.enumerated() {
      picture.text(panel.title, 24, y + 8)
      y += 18
      let longest = max(panel.bars.map(\.value).max() ?? 1, .leastNormalMagnitude)
      for bar in panel.bars {
        let length = bar.value / longest * (right - left)
        picture.text(Format.printable(bar.label), left - 8, y + 13, .end, style: "small")
        picture.rectangle(left, y + 3, length, barHeight - 6, fill: SVG.palette[index % SVG.palette.count])
        let value = index == 0 ? Format.grouped(Int(bar.value)) : Format.fixed(bar.value, 1)
        picture.text(value, left + length + 6, y + 13, style: "small")
        y += barHeight
      }
      y += 22
    }
    return picture.document(title: title)
  }
}
