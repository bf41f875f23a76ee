import DPQ

/// A tagger of sequences (Huang, Xu, Yu 2015): word vectors, dropout, LSTM cells in both directions, dropout, a linear
/// map to the tags, and a softmax for each word or a conditional random field over the sentence.
public final class Tagger: LearningModel {
  /// What turns scores into tags.
  public enum Decoder: String, CaseIterable, Sendable {
    /// Each word for itself.
    case softmax
    /// The best sequence, with scores for neighbouring tags.
    case crf
  }

  /// Shape and initial values.
  public struct Options: Sendable {
    /// LSTM cells of each direction.
    public var hidden = 100
    /// What turns scores into tags.
    public var decoder = Decoder.softmax
    /// Probability that a value passes dropout.
    public var keep: Float = 0.8
    /// Seed of weights and dropout.
    public var seed: UInt64 = 1
    /// Threads to use; 0 for all processors. Results do not depend on it.
    public var threads = 0

    /// Makes the default options.
    public init() {}
  }

  /// The input table. Evaluation may put another of the same shape here, such as one read back from a file.
  public var embedding: any EmbeddingLayer
  /// What the optimiser moves, that of the embedding last.
  public let parameters: [Parameter]
  /// Number of tags.
  public let tags: Int

  private let options: Options
  private let input: EmbeddedWords
  private let dropout: Dropout
  private let recurrent: BidirectionalLSTM
  private let output: Linear
  private let field: ConditionalRandomField?
  private let scoreGradient = Workspace()
  private var loss: SoftmaxCrossEntropy

  /// Makes a model with fresh weights behind the embedding.
  ///
  /// - Throws: `outOfMemory`.
  public init(embedding: any EmbeddingLayer, tags: Int, options: Options) throws(DPQError) {
    self.embedding = embedding
    self.tags = tags
    self.options = options
    let (hidden, seed, threads) = (options.hidden, options.seed, options.threads)
    input = EmbeddedWords(keep: options.keep, seed: seed &* 2, threads: threads)
    dropout = Dropout(keep: options.keep, seed: seed &* 2 &+ 1, threads: threads)
    recurrent = try BidirectionalLSTM(
      name: "lstm", inputs: embedding.dimension, width: hidden, scale: 1 / Float(hidden).squareRoot(), seed: seed,
      stream: 1, threads: threads)
    output = try Linear(
      name: "tags", inputs: 2 * hidden, outputs: tags, scale: (6 / Float(2 * hidden + tags)).squareRoot(), seed: seed,
      stream: 16, threads: threads)
    field = options.decoder == .crf ? try ConditionalRandomField(name: "transitions", tags: tags) : nil
    loss = SoftmaxCrossEntropy(threads: threads)
    parameters =
      recurrent.parameters + output.parameters + (field.map { [$0.transitions] } ?? []) + embedding.parameters
  }

  /// Training batches so far; a resumed run sets it, for dropout to go on as it would have.
  public var batches: UInt64 {
    get { dropout.batches }
    set {
      dropout.batches = newValue
      input.dropout.batches = newValue
    }
  }

  /// Sets the gradients of all parameters by the mean loss of the words of the sentences `indices`; returns its sum, in
  /// nats. The loss of a word is its cross-entropy, with a field its share of that of the sentence.
  ///
  /// - Throws: `invalidArgument` for a tag the model does not have.
  public func train(_ sentences: TaggedSentences, _ indices: some Collection<Int>) throws(DPQError) -> Double {
    let (batch, labels) = Self.batch(sentences, indices)
    let scores = try scores(batch, training: true)
    let scale = 1 / Float(max(labels.count, 1))
    var (sum, gradient) = (0.0, scores)
    if let field {
      gradient = try scoreGradient.matrix(rows: scores.rows, columns: tags)
      gradient.clear(rows: 0..<gradient.rows)
      field.transitions.gradient.clear(rows: 0..<(tags + 1))
      for sentence in 0..<batch.count {
        let range = batch.range(sentence)
        sum += field.loss(
          emissions: scores, first: range.lowerBound, reference: labels[range], scale: scale, gradient: gradient)
      }
    } else {
      sum = try loss(scores, labels: labels.span, gradientScale: scale)
    }
    gradient = try recurrent.backward(dropout.backward(output.backward(gradient)))
    try input.backward(gradient, embedding)
    return sum
  }

  /// The tags of each of the sentences, one after another, as the model stands.
  public func tag(_ sentences: TaggedSentences) throws(DPQError) -> [Int32] {
    var result = [Int32](repeating: 0, count: sentences.words.count)
    for indices in LengthBatches.sorted(sentences.lengths, size: Self.evaluationBatch) {
      let (batch, _) = Self.batch(sentences, indices)
      let scores = try scores(batch, training: false)
      for (sentence, index) in indices.enumerated() {
        let (from, to) = (batch.range(sentence), sentences.range(index))
        let path = best(scores, from)
        for (word, tag) in zip(to, path) { result[word] = tag }
      }
    }
    return result
  }

  private static let evaluationBatch = 64

  private func best(_ scores: Matrix, _ rows: Range<Int>) -> [Int32] {
    if let field { return field.decode(emissions: scores, first: rows.lowerBound, length: rows.count) }
    return rows.map { Int32(scores.largest(inRow: $0)) }
  }

  private static func batch(
    _ sentences: TaggedSentences, _ indices: some Collection<Int>
  ) -> (batch: SequenceBatch, labels: [Int32]) {
    var (batch, labels) = (SequenceBatch(), [Int32]())
    for index in indices {
      batch.append(sentences.words[sentences.range(index)])
      labels += sentences.tags[sentences.range(index)]
    }
    return (batch, labels)
  }

  private func scores(_ batch: SequenceBatch, training: Bool) throws(DPQError) -> Matrix {
    let vectors = try input.forward(batch.words, embedding, training: training)
    let hidden = try recurrent.forward(vectors, batch, training: training)
    return try output.forward(dropout.forward(hidden, training: training), training: training)
  }
}
