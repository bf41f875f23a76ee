import Testing

@testable import DPQ

@Suite struct AdaptiveEmbeddingTests {
  private static let tiers: [TierLayout] = [
    .concat(try! CodeLayout(dimension: 12, groups: 2, codes: 4, isShared: false)),
    .concat(try! CodeLayout(dimension: 12, groups: 6, codes: 8, isShared: false)),
    .binary(try! BinaryLayout(dimension: 12, bits: 40)),
  ]

  private func options(target: Double = 16) -> AdaptiveEmbedding.Options {
    var options = AdaptiveEmbedding.Options(Self.tiers, targetBits: target)
    options.initialScale = 0.5
    options.seed = 3
    options.threads = 1
    return options
  }

  /// Trains a layer to output given rows, the first ones far more often than the rest.
  private func train(_ layer: any EmbeddingLayer, target: [Float], steps: Int, batch: Int = 32) throws -> Double {
    let optimizer = try Adam(layer.parameters, rate: 0.01, threads: 1)
    var generator = DPQ.SeededGenerator(seed: 9, stream: 1)
    var loss = 0.0
    let dimension = layer.dimension
    for step in 0..<steps {
      try layer.advance(to: Double(step) / Double(steps))
      let ids = (0..<batch).map { _ in Int32(Double(layer.rows) * generator.uniform() * generator.uniform()) }
      var output = [Float](repeating: 0, count: batch * dimension)
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
      loss = 0
      for i in 0..<batch {
        for c in 0..<dimension {
          let off = output[i * dimension + c] - target[Int(ids[i]) * dimension + c]
          loss += Double(off * off)
          output[i * dimension + c] = 2 * off / Float(batch)
        }
      }
      try layer.backward(output.span)
      try optimizer.step()
    }
    return loss / Double(batch)
  }

  private func rows(_ count: Int, _ dimension: Int) -> [Float] {
    var generator = DPQ.SeededGenerator(seed: 4, stream: 2)
    return (0..<(count * dimension)).map { _ in Float(generator.uniform() - 0.5) }
  }

  @Test func trainingKeepsTheTargetAndExportsWhatItEvaluates() throws {
    let layer = try AdaptiveEmbedding(rows: 200, options: options())
    let target = rows(200, 12)
    let before = try train(layer, target: target, steps: 1)
    let after = try train(layer, target: target, steps: 600)
    #expect(layer.phase == .tune)
    #expect(after < 0.8 * before)
    #expect(abs(layer.meanBits / 16 - 1) < 0.02)

    let model = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
    #expect(model.tiers.count == 3 && model.map != nil)
    let decoded = try model.decoded(threads: 1)
    let ids = (0..<200).map { Int32($0) }
    var output = [Float](repeating: 0, count: 200 * 12)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: false)
    #expect(output == decoded.array)
    let kept = model.sections.filter { $0.name != "header" && $0.name != "tier.rank" }
    #expect(layer.storedBytes == kept.reduce(0) { $0 + $1.bytes })
  }

  @Test func rowsThatAreNeverUsedTakeTheShortestTier() throws {
    let layer = try AdaptiveEmbedding(rows: 300, options: options(target: 12))
    let target = rows(300, 12)
    let optimizer = try Adam(layer.parameters, rate: 0.01, threads: 1)
    for step in 0..<60 {
      try layer.advance(to: Double(step) / 100)
      let ids = (0..<40).map { Int32(($0 * 7 + step) % 100) }
      var output = [Float](repeating: 0, count: 40 * 12)
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
      for i in output.indices { output[i] -= target[Int(ids[i / 12]) * 12 + i % 12] }
      try layer.backward(output.span)
      try optimizer.step()
    }
    #expect(layer.phase == .codes)
    #expect(layer.currentTiers[100...].allSatisfy { $0 == 0 })
    #expect(layer.currentTiers[..<100].contains { $0 > 0 })
  }

  @Test func choicesByFrequencyAndChanceHaveTheSameHistogram() throws {
    var histograms: [[Int]] = []
    for choice in AdaptiveEmbedding.Choice.allCases {
      var options = options()
      options.choice = choice
      options.phases = [1, 0, 0]
      let layer = try AdaptiveEmbedding(rows: 200, options: options)
      _ = try train(layer, target: rows(200, 12), steps: 200)
      let tiers = layer.currentTiers
      histograms.append(tiers.reduce(into: [0, 0, 0]) { $0[$1] += 1 })
      if choice == .frequency {
        let uses = layer.uses
        let longest = tiers.indices.filter { tiers[$0] == 2 }.map { uses[$0] }.min() ?? 0
        #expect(tiers.indices.filter { tiers[$0] == 0 }.allSatisfy { uses[$0] <= longest })
      }
    }
    let (learned, frequency, random) = (histograms[0], histograms[2], histograms[3])
    #expect(frequency == learned && random == learned)
  }

  @Test(arguments: [AdaptiveEmbedding.Choice.learned, .straightThrough])
  func rowsThatTheLossIsSensitiveToTakeLongCodes(choice: AdaptiveEmbedding.Choice) throws {
    // All rows are used alike, but an error in an even one counts 25 times as much.
    var options = options(target: 18)
    options.choice = choice
    options.phases = [1, 0, 0]
    let target = rows(120, 12)
    let table = try EmbeddingTable(rows: 120, dimension: 12, values: target.span)
    let layer = try AdaptiveEmbedding(startingFrom: table, options: options)
    let optimizer = try Adam(layer.parameters, rate: 0.002, threads: 1)
    for step in 0..<200 {
      try layer.advance(to: Double(step) / 200)
      let ids = (0..<40).map { Int32(($0 * 7 + step) % 120) }
      var output = [Float](repeating: 0, count: 40 * 12)
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
      for i in output.indices {
        output[i] -= target[Int(ids[i / 12]) * 12 + i % 12]
        output[i] *= ids[i / 12] % 2 == 0 ? 5 : 1
      }
      try layer.backward(output.span)
      try optimizer.step()
    }
    let bits = layer.currentTiers.map { Double(layer.options.tiers[$0].bitsPerRow) }
    let means = (0..<2).map { parity in
      stride(from: parity, to: 120, by: 2).reduce(0) { $0 + bits[$1] } / 60
    }
    #expect(means[0] > (choice == .learned ? 1.5 : 1) * means[1], "\(means)")
  }

  @Test func aLayerFromATableStartsNearItsRows() throws {
    let target = rows(150, 12)
    let table = try EmbeddingTable(rows: 150, dimension: 12, values: target.span)
    var options = options()
    options.variant = .vq
    let ids = (0..<150).map { Int32($0) }
    var errors: [Float] = []
    for layer in [
      try AdaptiveEmbedding(rows: 150, options: options), try AdaptiveEmbedding(startingFrom: table, options: options),
    ] {
      var output = [Float](repeating: 0, count: 150 * 12)
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
      var error: Float = 0
      for i in output.indices { error += (output[i] - target[i]) * (output[i] - target[i]) }
      errors.append(error)
    }
    let norm = target.reduce(0) { $0 + $1 * $1 }
    #expect(errors[0] > norm && errors[1] < 0.7 * norm, "\(errors) of \(norm)")
  }

  @Test func theSameBytesAtAnyThreadCountAndDifferentOnesForAnotherSeed() throws {
    func bytes(threads: Int, seed: UInt64) throws -> [UInt8] {
      var options = options()
      options.threads = threads
      options.seed = seed
      let layer = try AdaptiveEmbedding(rows: 120, options: options)
      _ = try train(layer, target: rows(120, 12), steps: 80)
      let model = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
      let memory = try model.serialized()
      return memory.span.array(0..<memory.count)
    }
    let one = try bytes(threads: 1, seed: 3)
    #expect(try bytes(threads: 2, seed: 3) == one)
    #expect(try bytes(threads: 1, seed: 4) != one)
  }

  @Test func aCheckpointRestoresEveryPhase() throws {
    let target = rows(90, 12)
    for steps in [20, 70, 95] {
      let (first, second) = (
        try AdaptiveEmbedding(rows: 90, options: options()), try AdaptiveEmbedding(rows: 90, options: options())
      )
      let optimizer = SGD(first.parameters, rate: 0.1, threads: 1)
      for step in 0..<steps {
        try first.advance(to: Double(step) / 100)
        let ids = (0..<16).map { Int32(($0 * 11 + step) % 90) }
        var output = [Float](repeating: 0, count: 16 * 12)
        var span = output.mutableSpan
        try first.forward(ids.span, into: &span, training: true)
        for i in output.indices { output[i] = (output[i] - target[Int(ids[i / 12]) * 12 + i % 12]) / 16 }
        try first.backward(output.span)
        try optimizer.step()
      }
      for (from, to) in zip(first.parameters, second.parameters) { to.value.copy(from: from.value) }
      for (from, to) in zip(first.buffers, second.buffers) {
        #expect(from.name == to.name)
        to.value.copy(from: from.value)
      }
      #expect(second.phase == first.phase && second.currentTiers == first.currentTiers)
      for layer in [first, second] { try layer.advance(to: Double(steps) / 100) }
      let ids = (0..<30).map { Int32($0 * 3) }
      var outputs: [[Float]] = []
      for layer in [first, second] {
        var output = [Float](repeating: 0, count: 30 * 12)
        var span = output.mutableSpan
        try layer.forward(ids.span, into: &span, training: true)
        outputs.append(output)
      }
      #expect(outputs[0] == outputs[1] && outputs[0].allSatisfy(\.isFinite))
    }
  }

  @Test func impossibleOptionsAreRefused() {
    #expect(throws: DPQError.self) { try AdaptiveEmbedding(rows: 10, options: options(target: 43)) }
    #expect(throws: DPQError.self) { try AdaptiveEmbedding(rows: 10, options: options(target: 6)) }
    #expect(throws: DPQError.self) {
      try AdaptiveEmbedding(rows: 10, options: AdaptiveEmbedding.Options([Self.tiers[0]], targetBits: 4))
    }
  }

  @Test func binaryLayersLearnRows() throws {
    let layer = try BinaryEmbedding(
      rows: 60, layout: BinaryLayout(dimension: 12, bits: 36), scale: 0.5, seed: 5, threads: 1)
    let target = rows(60, 12)
    let before = try train(layer, target: target, steps: 1)
    let after = try train(layer, target: target, steps: 1500)
    #expect(after < 0.4 * before)
    let model = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
    #expect(model.tiers[0].codes.count == 60 * 5)
  }

  @Test func codewordsLearnWhileCodesStay() throws {
    let target = rows(80, 12)
    let table = try EmbeddingTable(rows: 80, dimension: 12, values: target.span)
    var compression = CompressionOptions()
    compression.groups = 4
    compression.codes = 4
    let model = try Compressor(compression).compress(table).model
    let layer = try CodedEmbedding(model, threads: 1)
    // From codewords that are off, gradients lead back to about what k-means found.
    let codewords = layer.codewords[0].value
    var words = codewords.mutableValues
    for i in words.indices { words[i] += 0.5 }
    let before = try train(layer, target: target, steps: 1)
    let after = try train(layer, target: target, steps: 400)
    #expect(after < 0.5 * before)
    let tuned = try #require(try layer.export(vocabulary: nil, recipe: "{}"))
    #expect(tuned.tiers[0].codes == model.tiers[0].codes)
  }
}
