import Foundation
import Testing

@testable import DPQ

/// The code of the DocC article "Training a compressed embedding in your own model", as a model that runs.
@Suite struct TrainingYourOwnModelTests {
  /// A logistic regression on the mean of a text's embeddings: what stands for the reader's own model.
  struct Model {
    var weights: [Float]

    /// Fills `gradients` with the gradient of the loss by each embedding of the text, moves the weights, returns the loss.
    mutating func learn(_ embeddings: [Float], isPositive: Bool, rate: Float, gradients: inout [Float]) -> Double {
      let (dimension, count) = (weights.count, embeddings.count / weights.count)
      var score: Float = 0
      for i in embeddings.indices { score += embeddings[i] * weights[i % dimension] / Float(count) }
      let chance = 1 / (1 + exp(-Double(score)))
      let error = Float(chance - (isPositive ? 1 : 0))
      for i in embeddings.indices { gradients[i] = error * weights[i % dimension] / Float(count) }
      for i in embeddings.indices { weights[i % dimension] -= rate * error * embeddings[i] / Float(count) }
      return -log(isPositive ? chance : 1 - chance)
    }

    func isPositive(_ embeddings: [Float]) -> Bool {
      var score: Float = 0
      for i in embeddings.indices { score += embeddings[i] * weights[i % weights.count] }
      return score > 0
    }
  }

  /// Texts of eight words; those of the first half of the vocabulary make a text positive.
  static func texts(_ count: Int, rows: Int, seed: UInt64) -> [(ids: [Int32], isPositive: Bool)] {
    var generator = DPQ.SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      let isPositive = generator.index(below: 2) == 0
      let ids = (0..<8).map { _ in Int32(generator.index(below: rows / 2) + (isPositive ? 0 : rows / 2)) }
      return (ids, isPositive)
    }
  }

  @Test(arguments: DPQEmbedding.Variant.allCases) func trainExportReloadLookUp(_ variant: DPQEmbedding.Variant) throws {
    let rows = 200
    // The layer and its optimiser.
    let layout = try CodeLayout(dimension: 32, groups: 8, codes: 16)
    let layer = try DPQEmbedding(rows: rows, options: DPQEmbedding.Options(variant, layout))
    let optimizer = try Adam(layer.parameters, rate: 0.01)

    // Training: rows in, gradients out.
    var model = Model(weights: (0..<32).map { $0 % 2 == 0 ? 0.5 : -0.5 })
    var loss = 0.0
    for (ids, isPositive) in Self.texts(3000, rows: rows, seed: 1) {
      var embeddings = [Float](repeating: 0, count: ids.count * layer.dimension)
      var span = embeddings.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)

      var gradients = embeddings
      loss += model.learn(embeddings, isPositive: isPositive, rate: 0.1, gradients: &gradients)
      loss += layer.regularization

      try layer.backward(gradients.span)
      try optimizer.step()
    }
    #expect(loss / 3000 < 0.5)

    // Export: codes and codewords; the queries stay behind.
    let words = try Vocabulary((0..<rows).map { "word\($0)" })
    let compressed = try #require(try layer.export(vocabulary: words, recipe: "{\"model\":\"example\"}"))
    let file = TemporaryPath("words.dpq")
    try compressed.write(to: file.path)

    // Inference: the same rows, bit for bit, from the file alone.
    let table = try CompressedTable(path: file.path)
    #expect(table.id(of: "word42") == 42)
    var evaluated = [Float](repeating: 0, count: layer.dimension)
    var evaluatedSpan = evaluated.mutableSpan
    let id: [Int32] = [42]
    try layer.forward(id.span, into: &evaluatedSpan, training: false)
    let row = try table.row(42)
    #expect(row == evaluated)
    var right = 0
    for (ids, isPositive) in Self.texts(200, rows: rows, seed: 2) {
      var embeddings: [Float] = []
      for id in ids { embeddings += try table.row(Int(id)) }
      if model.isPositive(embeddings) == isPositive { right += 1 }
    }
    #expect(right >= 180, "\(right) of 200")
    #expect(layer.storedRatio > 5)
  }
}
