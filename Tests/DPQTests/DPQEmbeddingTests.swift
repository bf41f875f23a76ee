import Foundation
import Testing

@testable import DPQ

@Suite struct DPQEmbeddingTests {
  private static func layout(
    _ dimension: Int, _ groups: Int, _ codes: Int, shared: Bool = false
  ) throws -> CodeLayout { try CodeLayout(dimension: dimension, groups: groups, codes: codes, isShared: shared) }

  private static func ids(_ count: Int, below rows: Int, seed: UInt64) -> [Int32] {
    var generator = DPQ.SeededGenerator(seed: seed, stream: 99)
    return (0..<count).map { _ in Int32(generator.index(below: rows)) }
  }

  /// One step on random ids with a random gradient from above, for as many batches as asked.
  private static func train(_ layer: any EmbeddingLayer, _ optimizer: any Optimizer, steps: Range<Int>) throws {
    for step in steps {
      let ids = ids(60, below: layer.rows, seed: UInt64(step))
      var output = [Float](repeating: 0, count: ids.count * layer.dimension)
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
      let target = try Matrix(rows: 1, columns: output.count)
      target.fillUniformly(scale: 1, seed: UInt64(step), stream: 5)
      let upstream = zip(output, target.array).map { $0 - $1 }
      try layer.backward(upstream.span)
      try optimizer.step()
    }
  }

  private static func evaluate(_ layer: any EmbeddingLayer, _ ids: [Int32]) throws -> [Float] {
    var output = [Float](repeating: 0, count: ids.count * layer.dimension)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: false)
    return output
  }

  struct Case: CustomTestStringConvertible {
    let variant: DPQEmbedding.Variant
    let dimension: Int
    let groups: Int
    let codes: Int
    var shared = false
    var change: @Sendable (inout DPQEmbedding.Options) -> Void = { _ in }
    var testDescription: String { "\(variant) \(dimension), \(groups) x \(codes)\(shared ? " shared" : "")" }

    func layer(rows: Int = 300, seed: UInt64 = 3, threads: Int = 0) throws -> DPQEmbedding {
      var options = DPQEmbedding.Options(
        variant, try DPQEmbeddingTests.layout(dimension, groups, codes, shared: shared))
      options.initialScale = 0.5
      options.seed = seed
      options.threads = threads
      change(&options)
      return try DPQEmbedding(rows: rows, options: options)
    }
  }

  /// Every option once, padding, shared codebooks, many codes.
  static let cases: [Case] = [
    Case(variant: .sx, dimension: 12, groups: 4, codes: 8),
    Case(variant: .sx, dimension: 10, groups: 4, codes: 5),
    Case(variant: .sx, dimension: 10, groups: 4, codes: 16, shared: true),
    Case(variant: .sx, dimension: 12, groups: 3, codes: 300) { $0.codebookStorage = .float16 },
    Case(variant: .sx, dimension: 12, groups: 4, codes: 8) { $0.isTied = true },
    Case(variant: .sx, dimension: 12, groups: 4, codes: 8) { $0.normalizesResponse = false },
    Case(variant: .sx, dimension: 12, groups: 4, codes: 8) { $0.unusedLimit = 2 },
    Case(variant: .vq, dimension: 12, groups: 4, codes: 8),
    Case(variant: .vq, dimension: 10, groups: 4, codes: 32) { $0.commitment = 0.25 },
    Case(variant: .vq, dimension: 12, groups: 4, codes: 16, shared: true) { $0.codebookStorage = .float16 },
    Case(variant: .vq, dimension: 12, groups: 3, codes: 256) { $0.normalizesResponse = false },
    Case(variant: .vq, dimension: 10, groups: 4, codes: 8) { $0.keyAverageDecay = 0.9 },
    Case(variant: .vq, dimension: 12, groups: 4, codes: 16, shared: true) {
      $0.keyAverageDecay = 0.9
      $0.unusedLimit = 3
    },
  ]

  @Test(arguments: cases) func theExportedFileHoldsTheEvaluatedRows(_ the: Case) throws {
    let layer = try the.layer()
    try Self.train(layer, SGD(layer.parameters, rate: 0.2), steps: 0..<12)
    let ids = (0..<300).map { Int32($0) }
    let rows = try Self.evaluate(layer, ids)
    let model = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
    let file = TemporaryPath("layer.dpq")
    let bytes = try model.write(to: file.path)
    let table = try CompressedTable(path: file.path)
    try table.verify()
    #expect(table.assignment == .response && table.rows == 300)
    var read = [Float](repeating: 0, count: rows.count)
    var readSpan = read.mutableSpan
    try table.read(first: 0, count: 300, into: &readSpan)
    #expect(read == rows)
    // What is claimed is what is written, less the header.
    #expect(bytes - table.sections[0].bytes == layer.storedBytes)
    // One id at a time, out of order, or in a crowd: the same bytes.
    let some = Self.ids(2500, below: 300, seed: 8)
    let together = try Self.evaluate(layer, some)
    for i in [0, 1024, 2499] {
      let row = Int(some[i]) * layer.dimension
      let wanted = Array(rows[row..<row + layer.dimension])
      let alone = try Self.evaluate(layer, [some[i]])
      #expect(alone == wanted)
      #expect(Array(together[i * layer.dimension..<(i + 1) * layer.dimension]) == wanted)
    }
  }

  @Test(arguments: cases) func aFileWithItsEncoderCodesQueriesAsTheLayerDoes(_ the: Case) throws {
    var options = try the.layer().options
    options.keepsEncoder = true
    let layer = try DPQEmbedding(rows: 300, options: options)
    try Self.train(layer, SGD(layer.parameters, rate: 0.2), steps: 0..<12)
    let model = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
    let file = TemporaryPath("layer.dpq")
    try model.write(to: file.path)
    let table = try CompressedTable(path: file.path)
    try table.verify()
    #expect(try table.encoder() == model.tiers[0].encoder)
    let queries = try EmbeddingTable(
      rows: 300, dimension: layer.dimension, values: layer.query.value.array.span)
    let encoder = try Encoder(table)
    let whole = try encoder.encode(queries, threads: 2)
    #expect(whole.tiers[0].codes == table.codes() && whole.assignment == .response)
    let part = try encoder.encode(queries, range: 100..<107, threads: 1)
    let rowBytes = options.layout.rowBytes
    #expect(part.tiers[0].codes == Array(table.codes()[100 * rowBytes..<107 * rowBytes]))
    // What was added can be added to again.
    let longer = TemporaryPath("longer.dpq")
    try part.appended(to: table).write(to: longer.path)
    let grown = try CompressedTable(path: longer.path)
    try grown.verify()
    #expect(grown.rows == 307 && grown.codes() == table.codes() + part.tiers[0].codes)
    #expect(try Encoder(grown).encode(queries, range: 0..<1).tiers[0].codes == Array(table.codes()[..<rowBytes]))
  }

  /// Committed files, their rows' queries beside them: SX with normalised responses, VQ without.
  @Test(arguments: ["sx", "vq"]) func goldenEncodersCodeTheirQueries(_ variant: String) throws {
    let path = TierTests.fixtures.appendingPathComponent("golden_encoder_\(variant)").path
    let table = try CompressedTable(path: path + ".dpq")
    try table.verify()
    let values = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".f32")))
      .withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
    let queries = try EmbeddingTable(rows: table.rows, dimension: table.dimension, values: values.span)
    #expect(try Encoder(table).encode(queries).tiers[0].codes == table.codes())
    #expect(try table.encoder()?.response == (variant == "sx" ? .product : .distance))
  }

  @Test func damagedEncodersAreRefused() throws {
    var options = DPQEmbedding.Options(.sx, try Self.layout(12, 4, 8))
    options.keepsEncoder = true
    let model = try #require(try DPQEmbedding(rows: 20, options: options).export(vocabulary: nil, recipe: "{}"))
    let file = TemporaryPath("encoder.dpq")
    try model.write(to: file.path)
    let sound = try Data(contentsOf: URL(fileURLWithPath: file.path))
    let damages = [
      ("\"tier.0.encoder\":\"product\"", "\"tier.0.encoder\":\"purchas\""),
      ("tier.0.encoder.mean", "tier.0.encoder.keyz"), ("\"assignment\":\"response\"", "\"assignment\":\"nearest\", "),
    ]
    for (text, other) in damages {
      var bytes = sound
      while let place = bytes.range(of: Data(text.utf8)) { bytes.replaceSubrange(place, with: Data(other.utf8)) }
      let damaged = TemporaryPath("damaged.dpq")
      try bytes.write(to: URL(fileURLWithPath: damaged.path))
      let error = #expect(throws: DPQError.self) {
        let table = try CompressedTable(path: damaged.path)
        _ = try Encoder(table)
      }
      #expect(error?.code == .corruptFile)
    }
    options.epsilon = 0.01
    #expect(throws: DPQError.self) { try DPQEmbedding(rows: 20, options: options) }
  }

  @Test(arguments: cases) func trainingIsTheSameAtAnyThreadCountAndGoesOnBitForBit(_ the: Case) throws {
    func state(_ layer: DPQEmbedding, _ optimizer: any Optimizer) -> [(String, Matrix)] {
      layer.parameters.map { ($0.name, $0.value) } + layer.buffers.map { ($0.name, $0.value) }
        + optimizer.buffers.map { ($0.name, $0.value) }
    }
    let layer = try the.layer(threads: 1)
    let optimizer = try Adam(layer.parameters, threads: 1)
    try Self.train(layer, optimizer, steps: 0..<4)
    // Another layer, other seeds, takes the state over and goes on with two threads.
    let other = try the.layer(seed: 3, threads: 2)
    let otherOptimizer = try Adam(other.parameters, threads: 2)
    try Self.train(other, otherOptimizer, steps: 50..<51)
    for (from, to) in zip(state(layer, optimizer), state(other, otherOptimizer)) {
      #expect(from.0 == to.0)
      to.1.copy(from: from.1)
    }
    try Self.train(layer, optimizer, steps: 4..<8)
    try Self.train(other, otherOptimizer, steps: 4..<8)
    for (a, b) in zip(state(layer, optimizer), state(other, otherOptimizer)) {
      #expect(a.1.array == b.1.array, "\(a.0)")
    }
    #expect(Set(state(layer, optimizer).map(\.0)).count == state(layer, optimizer).count)
    let (one, two) = (try layer.codes(), try other.codes())
    #expect(one == two)
  }

  /// The gradients of values are those of a linear function; those of queries and keys of the softmax that stands in for
  /// the choice, by central differences in float64 where the golden cases do not go: padding and sharing at once, tied.
  @Test(arguments: [(10, 4, false, false), (10, 4, true, false), (12, 4, false, true), (12, 4, true, true)])
  func gradientsAgreeWithDifferences(_ dimension: Int, _ groups: Int, _ shared: Bool, _ tied: Bool) throws {
    let the = Case(variant: .sx, dimension: dimension, groups: groups, codes: 5, shared: shared) { $0.isTied = tied }
    let layer = try the.layer(rows: 9)
    let ids: [Int32] = [4, 2, 4, 8, 0, 2, 2]
    var output = [Float](repeating: 0, count: ids.count * dimension)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: true)
    let above = try Matrix(rows: ids.count, columns: dimension)
    above.fillUniformly(scale: 1, seed: 6, stream: 1)
    try layer.backward(above.values)

    let codes = try layer.codes()
    let model = SurrogateLoss(
      layer: layer, ids: ids, upstream: above.array.map(Double.init),
      codes: ids.flatMap { id in (0..<groups).map { Int(codes[Int(id) * groups + $0]) } })
    func check(_ parameter: Parameter, _ name: String, _ loss: ([Double]) -> Double) {
      let point = parameter.value.array.map(Double.init)
      var own = [Double](repeating: 0, count: point.count)
      for i in 0..<parameter.gradientRows {
        let row = parameter.touchedRows.map { Int($0[i]) } ?? i
        for c in 0..<parameter.value.columns {
          own[row * parameter.value.columns + c] = Double(parameter.gradient[i, c])
        }
      }
      var (difference, norm) = (0.0, 0.0)
      for i in point.indices {
        var moved = point
        moved[i] = point[i] + 1e-5
        let up = loss(moved)
        moved[i] = point[i] - 1e-5
        let slope = (up - loss(moved)) / 2e-5
        difference += (slope - own[i]) * (slope - own[i])
        norm += slope * slope
      }
      #expect(norm > 0 && difference.squareRoot() < 1e-4 * norm.squareRoot(), "\(name)")
    }
    let (query, keys) = (layer.query.value.array.map(Double.init), layer.keys.value.array.map(Double.init))
    check(layer.query, "query") { model.loss(query: $0, keys: keys) }
    // A tied codebook gets both gradients.
    check(layer.keys, "keys") { model.loss(query: query, keys: $0) + (tied ? model.chosen($0) : 0) }
    if !tied { check(layer.values, "values") { model.chosen($0) } }
  }

  @Test func keysThatAreAveragesFollowTheirQueries() throws {
    var options = DPQEmbedding.Options(.vq, try Self.layout(4, 2, 2))
    options.keyAverageDecay = 0.5
    options.normalizesResponse = false
    let layer = try DPQEmbedding(rows: 4, options: options)
    #expect(layer.parameters.map(\.name) == ["embedding.query"])
    // Group 0: rows 0 and 1 near key 0, the others near key 1. Group 1: all at key 1.
    let queries: [[Float]] = [[1, 0, 5, 5], [0, 1, 5, 5], [-3, 0, 5, 5], [-1, -1, 5, 5]]
    for (i, row) in queries.enumerated() { for (c, value) in row.enumerated() { layer.query.value[i, c] = value } }
    let keys: [[Float]] = [[1, 1], [-2, -1], [0, 0], [4, 4]]
    for (i, row) in keys.enumerated() { for (c, value) in row.enumerated() { layer.keys.value[i, c] = value } }
    for (name, value) in layer.buffers {
      if name == "embedding.key_counts" { for k in 0..<4 { value[k, 0] = 1 } }
      if name == "embedding.key_sums" { for k in 0..<4 { for c in 0..<2 { value[k, c] = layer.keys.value[k, c] } } }
    }
    var output = [Float](repeating: 0, count: 16)
    var span = output.mutableSpan
    let ids: [Int32] = [0, 1, 2, 3]
    try layer.forward(ids.span, into: &span, training: true)
    #expect(output == [1, 1, 4, 4, 1, 1, 4, 4, -2, -1, 4, 4, -2, -1, 4, 4])
    #expect(layer.regularization == 0)
    let upstream = [Float](repeating: 1, count: 16)
    try layer.backward(upstream.span)
    // Half the old count and sum, half the new: ((1, 1) + (1, 1)) / (1 + 2), ((-2, -1) + (-4, -1)) / (1 + 2) …
    let wanted: [Float] = [2.0 / 3, 2.0 / 3, -2, -2.0 / 3, 0, 0, 24.0 / 5, 24.0 / 5]
    for (own, value) in zip(layer.keys.value.array, wanted) { #expect(abs(own - value) < 1e-5) }
  }

  @Test func unusedCodesRestartAtQueries() throws {
    var options = DPQEmbedding.Options(.vq, try Self.layout(6, 2, 8))
    options.unusedLimit = 3
    options.normalizesResponse = false
    options.initialScale = 1
    let layer = try DPQEmbedding(rows: 50, options: options)
    for c in 0..<3 { layer.keys.value[5, c] = 1000 }
    try Self.train(layer, SGD([], rate: 0), steps: 0..<2)
    #expect(layer.keys.value[5, 0] == 1000)
    try Self.train(layer, SGD([], rate: 0), steps: 2..<3)
    let key = (0..<3).map { layer.keys.value[5, $0] }
    #expect((0..<50).contains { row in (0..<3).allSatisfy { layer.query.value[row, $0] == key[$0] } })
  }

  @Test func trainingStartsFromATable() throws {
    let table = try Made.table(rows: 400, dimension: 8, clusters: 16)
    var options = DPQEmbedding.Options(.vq, try Self.layout(8, 4, 16))
    options.normalizesResponse = false
    let layer = try DPQEmbedding(startingFrom: table, options: options)
    let rows = try Self.evaluate(layer, (0..<400).map { Int32($0) })
    let original = layer.query.value.array
    var (error, norm) = (0.0, 0.0)
    for (a, b) in zip(rows, original) {
      error += Double((a - b) * (a - b))
      norm += Double(b * b)
    }
    #expect(error < 0.1 * norm)
    #expect(throws: DPQError.self) {
      try DPQEmbedding(startingFrom: table, options: DPQEmbedding.Options(.vq, try Self.layout(9, 3, 16)))
    }
  }

  @Test func impossibleLayersAreRefused() throws {
    func error(_ change: (inout DPQEmbedding.Options) -> Void) throws -> DPQError? {
      var options = DPQEmbedding.Options(.vq, try Self.layout(10, 4, 8, shared: true))
      options.variant = .sx
      change(&options)
      do throws(DPQError) {
        _ = try DPQEmbedding(rows: 5, options: options)
        return nil
      } catch { return error }
    }
    #expect(try error { _ in } == nil)
    let shared = try #require(try error { $0.variant = .vq })
    #expect(shared.code == .invalidArgument && shared.message.contains("2 or 5"))
    for change: (inout DPQEmbedding.Options) -> Void in [
      { $0.temperature = 0 }, { $0.momentum = 1 }, { $0.epsilon = 0 }, { $0.commitment = -1 }, { $0.unusedLimit = 0 },
      { $0.keyAverageDecay = 0.9 },
    ] { #expect(try error(change)?.code == .invalidArgument) }
  }

  @Test func anEmptyBatchChangesNothing() throws {
    let layer = try Self.cases[0].layer()
    let before = layer.running.array
    var output: [Float] = []
    var span = output.mutableSpan
    let ids: [Int32] = []
    let upstream: [Float] = []
    try layer.forward(ids.span, into: &span, training: true)
    try layer.backward(upstream.span)
    #expect(layer.running.array == before && layer.query.gradientRows == 0)
    #expect(layer.keys.gradient.array.allSatisfy { $0 == 0 })
  }
}

/// The function whose gradient the SX layer takes, in float64: Σ upstream · Σₖ pₖ · valueₖ with values held constant.
private struct SurrogateLoss {
  let layer: DPQEmbedding
  let ids: [Int32]
  let upstream: [Double]
  let codes: [Int]

  private func book(_ group: Int) -> Int {
    let layout = layer.options.layout
    return layout.isShared ? 0 : group * layout.codes * layout.width
  }

  /// Σ upstream · value of the code chosen.
  func chosen(_ values: [Double]) -> Double {
    let layout = layer.options.layout
    var sum = 0.0
    for b in ids.indices {
      for c in 0..<layout.dimension {
        let (j, within) = (c / layout.width, c % layout.width)
        let code = codes[b * layout.groups + j]
        sum += upstream[b * layout.dimension + c] * values[book(j) + code * layout.width + within]
      }
    }
    return sum
  }

  func loss(query: [Double], keys: [Double]) -> Double {
    let layout = layer.options.layout
    let values = layer.values.value.array.map(Double.init)
    var responses: [[Double]] = []
    for id in ids {
      for j in 0..<layout.groups {
        let end = min(layout.width, layout.dimension - j * layout.width)
        responses.append(
          (0..<layout.codes).map { k in
            (0..<end).reduce(0) {
              $0 + query[Int(id) * layout.dimension + j * layout.width + $1] * keys[book(j) + k * layout.width + $1]
            }
          })
      }
    }
    let count = Double(responses.count)
    for k in 0..<layout.codes {
      let mean = responses.reduce(0) { $0 + $1[k] } / count
      let variance = responses.reduce(0) { $0 + ($1[k] - mean) * ($1[k] - mean) } / count
      for cell in responses.indices {
        responses[cell][k] = (responses[cell][k] - mean) / (variance + Double(layer.options.epsilon)).squareRoot()
      }
    }
    var sum = 0.0
    for (cell, row) in responses.enumerated() {
      let (b, j) = (cell / layout.groups, cell % layout.groups)
      let largest = row.max()!
      let shares = row.map { Self.exponential(($0 - largest) / Double(layer.temperature)) }
      let total = shares.reduce(0, +)
      for k in 0..<layout.codes {
        for c in 0..<min(layout.width, layout.dimension - j * layout.width) {
          sum +=
            shares[k] / total * upstream[b * layout.dimension + j * layout.width + c]
            * values[book(j) + k * layout.width + c]
        }
      }
    }
    return sum
  }

  /// e^x for x ≤ 0 by halving and its series.
  private static func exponential(_ x: Double) -> Double {
    let small = x / 1024
    var (term, sum) = (1.0, 1.0)
    for n in 1...12 {
      term *= small / Double(n)
      sum += term
    }
    return (0..<10).reduce(sum) { value, _ in value * value }
  }
}
