import DPQ

/// Tagging as a problem to learn: by F1 of chunks where the tags are of chunks, else by the share of right tags.
package final class TaggingProblem: LearningProblem {
  package let task = "tag"
  package let metric: String
  package let identity: [(name: String, value: String)]
  package let lengths: [Int]
  package let data: TaggingData
  private let options: Tagger.Options
  package let model: Tagger

  /// Makes a model with fresh weights behind the embedding.
  ///
  /// - Throws: `outOfMemory`.
  package init(_ data: TaggingData, embedding: any EmbeddingLayer, options: Tagger.Options) throws(DPQError) {
    self.data = data
    self.options = options
    model = try Tagger(embedding: embedding, tags: data.trainedTags, options: options)
    metric = data.tagsAreChunks ? "f1" : "accuracy"
    lengths = data.train.lengths
    let model: [any CustomStringConvertible] = [
      options.hidden, options.decoder.rawValue, options.keep, options.seed,
    ]
    let texts = [data.train.words, data.train.tags, data.dev.words, data.dev.tags]
    identity = [
      ("model", model.map(\.description).joined(separator: " ")),
      ("sentences", texts.map { String(Checkpoint.checksum(of: $0), radix: 16) }.joined(separator: " ")),
    ]
  }

  package func words(of example: Int) -> Int { lengths[example] }

  package func train(_ examples: [Int]) throws(DPQError) -> (loss: Double, count: Int) {
    (try model.train(data.train, examples), examples.reduce(0) { $0 + lengths[$1] })
  }

  package func score(_ part: DataPart) throws(DPQError) -> (value: Double, details: [(String, JSON)]) {
    let sentences = part == .dev ? data.dev : data.test
    let found = try model.tag(sentences)
    var score = ChunkScore()
    for index in 0..<sentences.count {
      let range = sentences.range(index)
      score.add(
        reference: sentences.tags[range].map { data.tags[Int($0)] }, predicted: found[range].map { data.tags[Int($0)] })
    }
    guard data.tagsAreChunks else { return (score.accuracy, []) }
    return (
      score.f1,
      [
        ("precision", .double(score.precision)), ("recall", .double(score.recall)),
        ("accuracy", .double(score.accuracy)),
        ("chunks", .integer(score.referenceChunks)),
      ]
    )
  }

  package var details: [(String, JSON)] {
    [
      ("tags", .integer(data.trainedTags)), ("sentences", .parts(data.train.count, data.dev.count, data.test.count)),
      ("hidden", .integer(options.hidden)), ("decoder", .string(options.decoder.rawValue)),
      ("keep", .float(options.keep)),
    ]
  }
}

extension JSON {
  /// Sizes of the three parts of some data.
  static func parts(_ train: Int, _ dev: Int, _ test: Int) -> JSON {
    .object([("train", .integer(train)), ("dev", .integer(dev)), ("test", .integer(test))])
  }
}
