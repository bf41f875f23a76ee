import DPQ

/// The recurrent language model of Zaremba, Sutskever, Vinyals (2014): an embedding, two layers of LSTM cells with
/// dropout between layers only, and a softmax over the words with weights of its own.
public final class LanguageModel {
  /// Shape and initial values.
  public struct Options: Sendable {
    /// Cells of each LSTM layer, and values of an embedding row.
    public var dimension = 200
    /// Sequences trained on side by side.
    public var batch = 20
    /// Probability that a value passes dropout.
    public var keep: Float = 1
    /// Weights start in [−scale, scale).
    public var scale: Float = 0.1
    /// Seed of weights and dropout.
    public var seed: UInt64 = 1
    /// Threads to use; 0 for all processors. Results do not depend on it.
    public var threads = 0

    /// Makes the options of the small model.
    public init() {}
  }

  /// The input table. Evaluation may put another of the same shape here, such as one read back from a file.
  public var embedding: any EmbeddingLayer
  /// What the optimiser moves, that of the embedding last.
  public let parameters: [Parameter]

  private let options: Options
  private let dropouts: [Dropout]
  private let layers: [LSTM]
  private let output: Linear
  private var loss: SoftmaxCrossEntropy
  private let embedded = Workspace()

  /// Makes a model over the words of `embedding`.
  ///
  /// - Throws: `invalidArgument` where the embedding is not as wide as the model; `outOfMemory`.
  public init(embedding: any EmbeddingLayer, options: Options) throws(DPQError) {
    guard embedding.dimension == options.dimension else {
      throw DPQError(
        .invalidArgument, "an embedding of \(embedding.dimension) values does not fit a model of \(options.dimension)")
    }
    let (dimension, threads) = (options.dimension, options.threads)
    self.embedding = embedding
    self.options = options
    dropouts = (0..<3).map { Dropout(keep: options.keep, seed: options.seed &* 3 &+ $0, threads: threads) }
    layers = [
      try LSTM(
        name: "lstm.0", inputs: dimension, width: dimension, batch: options.batch, scale: options.scale,
        seed: options.seed, stream: 1, threads: threads),
      try LSTM(
        name: "lstm.1", inputs: dimension, width: dimension, batch: options.batch, scale: options.scale,
        seed: options.seed, stream: 2, threads: threads),
    ]
    output = try Linear(
      name: "softmax", inputs: dimension, outputs: embedding.rows, scale: options.scale, seed: options.seed, stream: 16,
      threads: threads)
    loss = SoftmaxCrossEntropy(threads: threads)
    parameters = layers.flatMap(\.parameters) + output.parameters + embedding.parameters
  }

  /// Training batches so far; a resumed run sets it, for dropout to go on as it would have.
  public var batches: UInt64 {
    get { dropouts[0].batches }
    set { for dropout in dropouts { dropout.batches = newValue } }
  }

  /// Starts the training sequences from the beginning.
  public func resetState() { for layer in layers { layer.state.reset() } }

  /// One training batch: sets the gradients of the mean over sequences of the cross-entropy summed over steps, plus what
  /// the embedding adds.
  ///
  /// - Parameters:
  ///   - inputs: Ids `[steps][batch]`.
  ///   - targets: The ids that follow them.
  /// - Returns: The sum of the cross-entropies of all targets, in nats.
  public func train(_ inputs: Span<Int32>, targets: Span<Int32>) throws(DPQError) -> Double {
    let logits = try forward(inputs, training: true)
    let sum = try loss(logits, labels: targets, gradientScale: 1 / Float(options.batch))
    var gradient = try dropouts[2].backward(output.backward(logits))
    gradient = try dropouts[1].backward(layers[1].backward(gradient))
    gradient = try dropouts[0].backward(layers[0].backward(gradient))
    try embedding.backward(gradient.values)
    return sum
  }

  /// Sum of the cross-entropies of `tokens[1...]`, each given all tokens before it, in nats.
  ///
  /// The text is cut into `streams` parts that are read side by side. Each part but the first starts a little before its
  /// first counted token, to bring the state of the cells to where one pass would have it.
  public func evaluate(_ tokens: [Int32], streams: Int) throws(DPQError) -> Double {
    let predictions = tokens.count - 1
    guard predictions > 0 else { return 0 }
    let streams = max(1, min(streams, predictions / (4 * Self.warmUp)))
    let share = (predictions + streams - 1) / streams
    let training = layers.map(\.state)
    defer { for (layer, state) in zip(layers, training) { layer.state = state } }
    for layer in layers { layer.state = try LSTM.State(batch: streams, width: layer.width) }

    let warmUp = streams > 1 ? Self.warmUp : 0
    var (inputs, targets): ([Int32], [Int32]) = ([], [])
    var sum = 0.0
    for first in stride(from: -warmUp, to: share, by: Self.evaluationSteps) {
      if first == 0 {
        // Before the text begins there is nothing to remember.
        for layer in layers { layer.state.resetFirst() }
      }
      let steps = first..<min(first + Self.evaluationSteps, share)
      inputs.removeAll(keepingCapacity: true)
      targets.removeAll(keepingCapacity: true)
      for step in steps {
        for stream in 0..<streams {
          let position = stream * share + step
          let isText = position >= 0 && position < predictions
          inputs.append(isText ? tokens[position] : 0)
          targets.append(isText && step >= 0 ? tokens[position + 1] : -1)
        }
      }
      sum += try loss(forward(inputs.span, training: false), labels: targets.span)
    }
    return sum
  }

  /// Tokens that bring the state up before a part of a text is counted; a multiple of the steps taken at once.
  private static let warmUp = 100
  private static let evaluationSteps = 50

  private func forward(_ ids: Span<Int32>, training: Bool) throws(DPQError) -> Matrix {
    let rows = try embedded.matrix(rows: ids.count, columns: options.dimension)
    var values = rows.mutableValues
    try embedding.forward(ids, into: &values, training: training)
    var hidden = try layers[0].forward(dropouts[0].forward(rows, training: training), training: training)
    hidden = try layers[1].forward(dropouts[1].forward(hidden, training: training), training: training)
    return try output.forward(dropouts[2].forward(hidden, training: training), training: training)
  }
}
