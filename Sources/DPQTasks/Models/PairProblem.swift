import DPQ

/// Inference between sentences as a problem to learn, by the share of pairs that are given their class.
package final class PairProblem: LearningProblem {
  package let task = "infer"
  package let metric = "accuracy"
  package let identity: [(name: String, value: String)]
  package let lengths: [Int]
  package let data: PairData
  private let options: PairClassifier.Options
  package let model: PairClassifier

  /// Makes a model with fresh weights behind the embedding.
  ///
  /// - Throws: `outOfMemory`.
  package init(_ data: PairData, embedding: any EmbeddingLayer, options: PairClassifier.Options) throws(DPQError) {
    self.data = data
    self.options = options
    model = try PairClassifier(embedding: embedding, classes: data.classes.count, options: options)
    lengths = data.train.lengths
    let model: [any CustomStringConvertible] = [
      options.encoder.rawValue, options.pooling.rawValue, options.hidden, options.dense, options.keep, options.seed,
    ]
    let texts = [data.train.words, data.train.labels, data.dev.words, data.dev.labels]
    identity = [
      ("model", model.map(\.description).joined(separator: " ")),
      ("pairs", texts.map { String(Checkpoint.checksum(of: $0), radix: 16) }.joined(separator: " ")),
    ]
  }

  package func words(of example: Int) -> Int {
    data.train.range(sentence: 2 * example + 1).upperBound - data.train.range(sentence: 2 * example).lowerBound
  }

  package func train(_ examples: [Int]) throws(DPQError) -> (loss: Double, count: Int) {
    (try model.train(data.train, examples), examples.count)
  }

  package func score(_ part: DataPart) throws(DPQError) -> (value: Double, details: [(String, JSON)]) {
    let pairs = part == .dev ? data.dev : data.test
    let right = zip(try model.classify(pairs), pairs.labels).count { $0 == $1 }
    return (Double(right) / Double(max(pairs.count, 1)), [])
  }

  package var details: [(String, JSON)] {
    [
      ("classes", .integer(data.classes.count)), ("pairs", .parts(data.train.count, data.dev.count, data.test.count)),
      ("encoder", .string(options.encoder.rawValue)),
      ("pooling", options.encoder == .lstm ? .string(options.pooling.rawValue) : .null),
      ("hidden", options.encoder == .lstm ? .integer(options.hidden) : .null), ("dense", .integer(options.dense)),
      ("keep", .float(options.keep)),
    ]
  }
}
