import Foundation
import Testing

@testable import DPQ

/// Files of several tiers and of bits: written, read, searched, grown.
@Suite struct TierTests {
  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

  /// A model of three tiers of both kinds, in any order, with a map by chance.
  static func mixed(rows: Int = 1100, dimension: Int = 10, storage: Codebook.Storage = .float32) throws
    -> (model: CompressedModel, expected: [[Float]])
  {
    var generator = DPQ.SeededGenerator(seed: 9)
    func values(_ count: Int) -> [Float] { (0..<count).map { _ in Float(generator.uniform() * 2 - 1) } }
    let wide = try Codebook(
      layout: CodeLayout(dimension: dimension, groups: 5, codes: 256), values: values(256 * 10), storage: storage)
    let bits = try BinaryLayout(dimension: dimension, bits: 13)
    let basis = try BinaryBasis(
      layout: bits, values: values(13 * dimension), bias: values(dimension), storage: storage)
    let narrow = try Codebook(
      layout: CodeLayout(dimension: dimension, groups: 2, codes: 4), values: values(4 * 10), storage: storage)
    let given: [Tier.Codewords] = [.concat(wide), .binary(basis), .concat(narrow)]
    let map = (0..<rows).map { _ in generator.index(below: 3) }
    var codes: [[UInt8]] = [[], [], []]
    var expected: [[Float]] = []
    for tier in map {
      let bytes = given[tier].layout.rowBytes
      var row = (0..<bytes).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      let spare = bytes * 8 - given[tier].layout.bitsPerRow
      row[bytes - 1] &= UInt8(255 >> spare)
      codes[tier] += row
      switch given[tier] {
      case .concat(let book):
        let layout = book.layout
        expected.append(
          (0..<dimension).map { c in
            let group = c / layout.width
            var code = 0
            for bit in 0..<layout.bits {
              let place = group * layout.bits + bit
              code |= Int(row[place / 8] >> UInt8(place % 8) & 1) << bit
            }
            return book.values[(group * layout.codes + code) * layout.width + c % layout.width]
          })
      case .binary(let basis):
        var sums = basis.bias
        for j in 0..<13 where row[j / 8] >> UInt8(j % 8) & 1 == 1 {
          for c in 0..<dimension { sums[c] += basis.values[j * dimension + c] }
        }
        expected.append(sums)
      }
    }
    var tiers: [Tier] = []
    for (tier, codewords) in given.enumerated() { tiers.append(try Tier(codewords, codes: codes[tier])) }
    let model = try CompressedModel(
      tiers: tiers, tierOfRow: map, vocabulary: Vocabulary((0..<rows).map { "w\($0)" }), recipe: "{}")
    return (model, expected)
  }

  @Test(arguments: Codebook.Storage.allCases) func writesAndReads(_ storage: Codebook.Storage) throws {
    let (model, expected) = try Self.mixed(storage: storage)
    #expect(model.tiers.map(\.layout.bitsPerRow) == [4, 13, 40])
    let file = TemporaryPath("tiers.dpq")
    #expect(try model.write(to: file.path) == model.fileBytes)
    let table = try CompressedTable(path: file.path)
    try table.verify()
    #expect(table.tiers == model.tiers.map(\.shape))
    for tier in 0..<3 {
      let (codewords, codes) = (try table.codewords(tier: tier), table.codes(tier: tier))
      #expect(codewords == model.tiers[tier].codewords && codes == model.tiers[tier].codes)
      let use = try table.codeUse(tier: tier)
      #expect(use.count == table.tiers[tier].layout.groups)
      #expect(use.allSatisfy { $0.reduce(0, +) == table.tiers[tier].rows })
    }
    let map = try table.map()
    #expect(map == model.map)
    for (id, row) in expected.enumerated() {
      let decoded = try table.row(id)
      #expect(zip(decoded, row).allSatisfy { abs($0 - $1) < 1e-5 }, "row \(id)")
    }
    // Threads and runs of rows give what single rows give.
    var all = [Float](repeating: 0, count: expected.count * 10)
    do {
      var span = all.mutableSpan
      try table.read(first: 0, count: expected.count, into: &span, threads: 2)
    }
    var single: [Float] = []
    for id in expected.indices { single += try table.row(id) }
    #expect(all == single)
    let query = expected[700]
    let found = try table.neighbors(of: query.span, count: 1)
    #expect(found.first?.id == 700)
  }

  @Test func refusesWhatDoesNotFit() throws {
    let (model, _) = try Self.mixed(rows: 30)
    let map = try #require(model.map).tierOfRow
    func refused(_ body: () throws -> Void) { #expect(throws: DPQError.self) { try body() } }
    refused { _ = try CompressedModel(tiers: model.tiers, recipe: "{}") }
    refused { _ = try CompressedModel(tiers: model.tiers, tierOfRow: map.map { ($0 + 1) % 3 }, recipe: "{}") }
    refused { _ = try CompressedModel(tiers: model.tiers, tierOfRow: map.map { $0 + 1 }, recipe: "{}") }
    refused { _ = try CompressedModel(tiers: [], recipe: "{}") }
    refused { _ = try BinaryLayout(dimension: 3, bits: 0) }
    refused { _ = try TierMap([0, 2], tiers: 2) }
    for text in ["", "16,", "8x", "x16", "8x16x2", "0", "-4", "a", "99x16"] {
      refused { _ = try TierLayout.list(text, dimension: 50) }
    }
    let list = try TierLayout.list("13,25x16", dimension: 50)
    #expect(list.map(\.bitsPerRow) == [13, 100] && list.map(\.kind) == ["binary", "concat"])
  }

  @Test func newRowsGoToOneTier() throws {
    let (model, expected) = try Self.mixed(rows: 600)
    let file = TemporaryPath("tiers.dpq")
    _ = try model.write(to: file.path)
    let existing = try CompressedTable(path: file.path)
    let more = try Made.table(expected.suffix(5)).with(vocabulary: Vocabulary((0..<5).map { "new\($0)" }))
    for tier in 0..<3 {
      let coded = try Encoder(existing, tier: tier).encode(more)
      #expect(coded.tiers.map(\.rows) == (0..<3).map { $0 == tier ? 5 : 0 })
      let grown = try coded.appended(to: existing)
      let output = TemporaryPath("grown.dpq")
      _ = try grown.write(to: output.path)
      let table = try CompressedTable(path: output.path)
      try table.verify()
      #expect(table.rows == 605)
      let (before, after) = (try existing.row(3), try table.row(3))
      #expect(before == after)
    }
    #expect(throws: DPQError.self) { _ = try Encoder(existing, tier: 3) }
  }

  /// Written by `Tests/ABITests/write_golden.c` from layouts and seeds that stand there.
  /// Enough rows that several threads take part, from a row on that begins no block of the map.
  @Test func threadsReadWhatOneReads() throws {
    let (model, expected) = try Self.mixed(rows: 45_001)
    let file = TemporaryPath("many.dpq")
    try model.write(to: file.path)
    let table = try CompressedTable(path: file.path)
    let (first, count) = (333, 44_000)
    var results: [[Float]] = []
    for threads in [1, 2, 3, 0] {
      var values = [Float](repeating: -1, count: count * 10)
      var span = values.mutableSpan
      try table.read(first: first, count: count, into: &span, threads: threads)
      results.append(values)
    }
    #expect(results.allSatisfy { $0 == results[0] })
    for id in stride(from: first, to: first + count, by: 997) {
      let row = results[0][((id - first) * 10)..<((id - first + 1) * 10)]
      #expect(zip(row, expected[id]).allSatisfy { abs($0 - $1) < 1e-5 }, "row \(id)")
    }
    #expect(throws: DPQError.self) {
      var values = [Float](repeating: 0, count: 45_000 * 10)
      var span = values.mutableSpan
      try table.read(first: 2, count: 45_000, into: &span, threads: 2)
    }
  }

  @Test(arguments: ["golden_concat", "golden_binary", "golden_tiers"]) func readsGoldenFiles(_ name: String) throws {
    let table = try CompressedTable(path: Self.fixtures.appendingPathComponent("\(name).dpq").path)
    try table.verify()
    let bytes = [UInt8](try Data(contentsOf: Self.fixtures.appendingPathComponent("\(name).f32")))
    let expected = bytes.withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
    var rows = [Float](repeating: 0, count: table.rows * table.dimension)
    var span = rows.mutableSpan
    try table.read(first: 0, count: table.rows, into: &span)
    #expect(rows.count == expected.count && zip(rows, expected).allSatisfy { abs($0 - $1) <= 2e-5 })
  }
}

/// Binary codes and adaptive lengths of bare tables.
@Suite struct TierTrainingTests {
  static func compress(_ table: EmbeddingTable, _ change: (inout CompressionOptions) -> Void) throws -> Compression {
    try Compressor(Made.options(change)).compress(table)
  }

  @Test func moreBitsRebuildBetter() throws {
    let table = try Made.table(rows: 1500, dimension: 20)
    var last = 1.0
    for bits in [3, 13, 40] {
      let result = try Self.compress(table) {
        $0.method = .binary
        $0.bits = bits
      }
      #expect(result.model.tiers[0].layout.bitsPerRow == bits)
      #expect(result.relativeError < 0.75 * last, "\(bits) bits: \(result.relativeError)")
      last = result.relativeError
    }
  }

  @Test(arguments: [Metric.l2, .cosine]) func theSameBitsAtAnyThreadCount(_ metric: Metric) throws {
    let table = try Made.table(rows: 700, dimension: 17)
    let models = try [1, 3].map { threads in
      try Self.compress(table) {
        $0.method = .binary
        $0.bits = 21
        $0.metric = metric
        $0.threads = threads
      }.model
    }
    #expect(models[0].tiers == models[1].tiers && models[0].norms == models[1].norms)
  }

  /// No single bit could be changed to bring a row nearer.
  @Test func bitsAreSettled() throws {
    let table = try Made.table(rows: 300, dimension: 12)
    let result = try Self.compress(table) {
      $0.method = .binary
      $0.bits = 10
    }
    guard case .binary(let basis) = result.model.tiers[0].codewords else { return }
    let codes = result.model.tiers[0].codes
    for i in 0..<300 {
      let row = try table.row(i)
      func error(flipping flipped: Int?) -> Double {
        (0..<12).reduce(0) { sum, c in
          var value = Double(basis.bias[c])
          for j in 0..<10 where (codes[2 * i + j / 8] >> UInt8(j % 8) & 1 == 1) != (j == flipped) {
            value += Double(basis.values[j * 12 + c])
          }
          return sum + (Double(row[c]) - value) * (Double(row[c]) - value)
        }
      }
      let chosen = error(flipping: nil)
      for j in 0..<10 { #expect(error(flipping: j) >= chosen - 1e-4 * (1 + chosen)) }
    }
  }

  @Test(arguments: ["4x16,8x16,16x16", "16,40,80"]) func lengthsFollowWeightsAndMeetTheTarget(_ list: String) throws {
    let table = try Made.table(rows: 3000, dimension: 16, clusters: 60)
    let weights = (0..<3000).map { 1 / Float($0 + 1) }
    let result = try Self.compress(table) {
      $0.weights = weights
      $0.adaptive = AdaptiveOptions(
        tiers: (try? TierLayout.list(list, dimension: 16)) ?? [], targetBits: 30)
    }
    let plan = result.model.plan
    #expect(abs(plan.bitsPerRow - 30) <= 0.02 * 30, "\(plan.bitsPerRow)")
    let map = try #require(result.model.map)
    let bits = result.model.tiers.map(\.layout.bitsPerRow)
    let (head, tail) = (0..<300).reduce(into: (0, 0)) {
      $0.0 += bits[map[$1]]
      $0.1 += bits[map[2999 - $1]]
    }
    #expect(head > tail)
    let fixed = try Self.compress(table) {
      $0.weights = weights
      $0.groups = 8
      $0.codes = 16
    }
    #expect(result.weightedRelativeError < 0.9 * fixed.weightedRelativeError)
    let file = TemporaryPath("adaptive.dpq")
    _ = try result.model.write(to: file.path)
    try CompressedTable(path: file.path).verify()
  }

  @Test func targetsOutOfReachAreRefused() throws {
    let table = try Made.table(rows: 600, dimension: 8)
    for bits in [0, -3, 8.5, .infinity] {
      #expect(throws: DPQError.self) {
        try Self.compress(table) {
          $0.adaptive = AdaptiveOptions(tiers: (try? TierLayout.list("8,16", dimension: 8)) ?? [], targetBits: bits)
        }
      }
    }
  }
}
