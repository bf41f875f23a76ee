import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Taggers and classifiers of pairs, whole, on a few sentences.
@Suite struct SequenceModelTests {
  private static let rows = 7

  private func sentences() -> TaggedSentences {
    var sentences = TaggedSentences()
    for (words, tags) in [([1, 2, 3, 2], [0, 1, 2, 2]), ([4], [1]), ([5, 6], [2, 0]), ([3, 1, 5], [0, 0, 1])]
      as [([Int32], [Int32])]
    {
      for (word, tag) in zip(words, tags) { sentences.append(word, tag: tag) }
      sentences.finishSentence()
    }
    return sentences
  }

  private func pairs() -> SentencePairs {
    var pairs = SentencePairs()
    for (first, second, label) in [
      ([1, 2, 3], [4], 0), ([5], [], 1), ([6, 6, 2, 1], [3, 2], 2), ([2, 4], [1, 5, 3], 1),
    ]
      as [([Int32], [Int32], Int32)]
    {
      for sentence in [first, second] {
        for word in sentence { pairs.append(word) }
        pairs.finishSentence()
      }
      pairs.finishPair(label: label)
    }
    return pairs
  }

  private func embedding() throws -> FullEmbedding {
    try FullEmbedding(rows: Self.rows, dimension: 5, scale: 1, seed: 3, threads: 1)
  }

  /// Compares the gradient of every value of every parameter with the difference of losses.
  private func checkGradients(_ parameters: [Parameter], count: Int, loss: () throws -> Double) throws {
    _ = try loss()
    var gradients: [[Float]] = []
    for parameter in parameters {
      // Sparse gradients cover some rows.
      var dense = [Float](repeating: 0, count: parameter.value.count)
      let columns = parameter.value.columns
      for i in 0..<parameter.gradientRows {
        let row = parameter.touchedRows.map { Int($0[i]) } ?? i
        for c in 0..<columns { dense[row * columns + c] = parameter.gradient[i, c] }
      }
      gradients.append(dense)
    }
    // Losses are of float32 values: their rounding, over twice the step, is in every difference, whatever the gradient.
    let rounding = 2e-6
    for (parameter, gradient) in zip(parameters, gradients) {
      var (error, norm) = (0.0, 0.0)
      for row in 0..<parameter.value.rows {
        for column in 0..<parameter.value.columns {
          let (value, step) = (parameter.value[row, column], Float(4e-3))
          var losses: [Double] = []
          for move in [step, -step] {
            parameter.value[row, column] = value + move
            losses.append(try loss())
          }
          parameter.value[row, column] = value
          let expected = (losses[0] - losses[1]) / Double(2 * step) / Double(count)
          let found = Double(gradient[row * parameter.value.columns + column])
          error += (expected - found) * (expected - found)
          norm += expected * expected
        }
      }
      let allowed = 1e-5 * norm + Double(gradient.count) * rounding * rounding
      #expect(norm > 0 && error <= allowed, "\(parameter.name): \(error) of \(norm)")
    }
  }

  @Test(arguments: Tagger.Decoder.allCases, [1, 0.6] as [Float])
  func taggersHaveTheGradientsOfTheirLoss(_ decoder: Tagger.Decoder, _ keep: Float) throws {
    var options = Tagger.Options()
    (options.hidden, options.decoder, options.keep, options.threads) = (3, decoder, keep, 1)
    let model = try Tagger(embedding: try embedding(), tags: 3, options: options)
    let sentences = sentences()
    try checkGradients(model.parameters, count: 8) {
      model.batches = 5
      return try model.train(sentences, [3, 1, 0])
    }
  }

  @Test(arguments: PairClassifier.Encoder.allCases, PairClassifier.Pooling.allCases)
  func pairClassifiersHaveTheGradientsOfTheirLoss(
    _ encoder: PairClassifier.Encoder, _ pooling: PairClassifier.Pooling
  ) throws {
    var options = PairClassifier.Options()
    (options.encoder, options.pooling, options.threads) = (encoder, pooling, 1)
    (options.hidden, options.dense, options.keep) = (3, 6, 0.9)
    let model = try PairClassifier(embedding: try embedding(), classes: 3, options: options)
    let pairs = pairs()
    try checkGradients(model.parameters, count: 4) {
      model.batches = 5
      return try model.train(pairs, [2, 0, 1, 3])
    }
  }

  @Test func tagsDoNotDependOnTheOtherSentences() throws {
    var options = Tagger.Options()
    (options.hidden, options.threads) = (4, 1)
    let sentences = sentences()
    for decoder in Tagger.Decoder.allCases {
      options.decoder = decoder
      let model = try Tagger(embedding: try embedding(), tags: 3, options: options)
      let together = try model.tag(sentences)
      let apart = try (0..<sentences.count).flatMap { try model.tag(sentences.selecting([$0])) }
      #expect(together == apart)
    }
  }

  @Test func batchesHoldEveryExampleOnceAndLikeLengths() {
    var generator = SeededGenerator(seed: 4)
    let lengths = (0..<1000).map { _ in generator.index(below: 30) }
    let batches = LengthBatches.shuffled(lengths, size: 8, generator: &generator)
    #expect(batches.flatMap { $0 }.sorted() == Array(0..<1000))
    #expect(batches.allSatisfy { $0.count <= 8 })
    let spread = batches.map { batch in
      batch.map { lengths[$0] }.max()! - batch.map { lengths[$0] }.min()!
    }
    #expect(spread.reduce(0, +) <= 3 * batches.count)
    #expect(LengthBatches.sorted([3, 1, 2, 1], size: 3) == [[1, 3, 2], [0]])
  }

  @Test func wordsAndTimeStepsMeet() {
    var batch = SequenceBatch()
    batch.append([7, 8, 9] as [Int32])
    batch.append([] as [Int32])
    batch.append([5, 6] as [Int32])
    #expect(batch.count == 3 && batch.steps == 3 && batch.words == [7, 8, 9, 5, 6])
    let (places, sources) = batch.grid(reversed: false)
    #expect(places == [0, 3, 6, 2, 5])
    #expect(sources == [0, 0, 3, 1, 0, 4, 2, 0, 0])
    #expect(batch.grid(reversed: true).places == [6, 3, 0, 5, 2])
  }
}
