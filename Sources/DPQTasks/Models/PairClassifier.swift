import DPQ

/// A classifier of pairs of sentences (Conneau et al. 2017): one encoder for both, what it tells of each and of their
/// difference, a dense layer, and one to the classes.
public final class PairClassifier: LearningModel {
  /// How a sentence becomes a vector.
  public enum Encoder: String, CaseIterable, Sendable {
    /// The mean of the word vectors.
    case bag
    /// LSTM cells in both directions, their states pooled.
    case lstm
  }

  /// How the states of the words become one.
  public enum Pooling: String, CaseIterable, Sendable {
    /// Their mean.
    case mean
    /// The largest value of each column.
    case max
  }

  /// Shape and initial values.
  public struct Options: Sendable {
    /// How a sentence becomes a vector.
    public var encoder = Encoder.lstm
    /// How the states of an LSTM encoder become one vector.
    public var pooling = Pooling.max
    /// LSTM cells of each direction.
    public var hidden = 100
    /// Width of the dense layer.
    public var dense = 100
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
  /// Number of classes.
  public let classes: Int

  private let input: EmbeddedWords
  private let recurrent: BidirectionalLSTM?
  private let pooling: SequencePooling
  private let features = PairFeatures()
  private let dropouts: [Dropout]
  /// What follows the features: dropout, dense, ReLU, dropout, dense.
  private let head: [any Layer]
  private var loss: SoftmaxCrossEntropy

  /// Makes a model with fresh weights behind the embedding.
  ///
  /// - Throws: `outOfMemory`.
  public init(embedding: any EmbeddingLayer, classes: Int, options: Options) throws(DPQError) {
    self.embedding = embedding
    self.classes = classes
    let (hidden, dense, seed, threads) = (options.hidden, options.dense, options.seed, options.threads)
    input = EmbeddedWords(keep: options.keep, seed: seed &* 3, threads: threads)
    dropouts = (1...2).map { Dropout(keep: options.keep, seed: seed &* 3 &+ $0, threads: threads) }
    let isRecurrent = options.encoder == .lstm
    recurrent =
      isRecurrent
      ? try BidirectionalLSTM(
        name: "lstm", inputs: embedding.dimension, width: hidden, scale: 1 / Float(hidden).squareRoot(), seed: seed,
        stream: 1, threads: threads) : nil
    pooling = SequencePooling(isRecurrent && options.pooling == .max ? .max : .mean, threads: threads)
    // Glorot, Bengio 2010.
    func linear(_ name: String, _ inputs: Int, _ outputs: Int, _ stream: UInt64) throws(DPQError) -> Linear {
      try Linear(
        name: name, inputs: inputs, outputs: outputs, scale: (6 / Float(inputs + outputs)).squareRoot(), seed: seed,
        stream: stream, threads: threads)
    }
    head = [
      dropouts[0], try linear("dense", 4 * (isRecurrent ? 2 * hidden : embedding.dimension), dense, 16), ReLU(),
      dropouts[1], try linear("classes", dense, classes, 17),
    ]
    loss = SoftmaxCrossEntropy(threads: threads)
    parameters = (recurrent?.parameters ?? []) + head.flatMap(\.parameters) + embedding.parameters
  }

  /// Training batches so far; a resumed run sets it, for dropout to go on as it would have.
  public var batches: UInt64 {
    get { dropouts[0].batches }
    set { for dropout in dropouts + [input.dropout] { dropout.batches = newValue } }
  }

  /// Sets the gradients of all parameters by the mean cross-entropy of the pairs `indices`; returns its sum, in nats.
  public func train(_ pairs: SentencePairs, _ indices: some Collection<Int>) throws(DPQError) -> Double {
    let batch = Self.batch(pairs, indices)
    let logits = try logits(batch, training: true)
    let labels = indices.map { pairs.labels[$0] }
    let sum = try loss(logits, labels: labels.span, gradientScale: 1 / Float(max(labels.count, 1)))
    var gradient = logits
    for layer in head.reversed() { gradient = try layer.backward(gradient) }
    gradient = try pooling.backward(features.backward(gradient), words: batch.words.count)
    if let recurrent { gradient = try recurrent.backward(gradient) }
    try input.backward(gradient, embedding)
    return sum
  }

  /// The class of each pair as the model stands.
  public func classify(_ pairs: SentencePairs) throws(DPQError) -> [Int32] {
    var result = [Int32](repeating: 0, count: pairs.count)
    for indices in LengthBatches.sorted(pairs.lengths, size: Self.evaluationBatch) {
      let logits = try logits(Self.batch(pairs, indices), training: false)
      for (row, index) in indices.enumerated() { result[index] = Int32(logits.largest(inRow: row)) }
    }
    return result
  }

  private static let evaluationBatch = 64

  private static func batch(_ pairs: SentencePairs, _ indices: some Collection<Int>) -> SequenceBatch {
    var batch = SequenceBatch()
    for index in indices {
      batch.append(pairs.words[pairs.range(sentence: 2 * index)])
      batch.append(pairs.words[pairs.range(sentence: 2 * index + 1)])
    }
    return batch
  }

  private func logits(_ batch: SequenceBatch, training: Bool) throws(DPQError) -> Matrix {
    var values = try input.forward(batch.words, embedding, training: training)
    if let recurrent { values = try recurrent.forward(values, batch, training: training) }
    values = try features.forward(pooling.forward(values, batch))
    for layer in head { values = try layer.forward(values, training: training) }
    return values
  }
}
