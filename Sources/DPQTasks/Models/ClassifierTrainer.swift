import DPQ

/// Trains a text classifier, keeps the weights of the step that is best on the dev texts, and can go on from a
/// checkpoint bit for bit.
public final class ClassifierTrainer {
  /// How long and how fast to train.
  public struct Options: Sendable {
    /// Batches to train on.
    public var steps = 5000
    /// Texts of a batch.
    public var batch = 64
    /// Step size of Adam.
    public var rate: Float = 1e-3
    /// Step size that the last steps come near, ``rate`` falling evenly; ``rate`` itself where `nil`.
    public var finalRate: Float?
    /// Batches between evaluations on the dev texts.
    public var evaluationInterval = 250
    /// Width of the dense layer.
    public var hidden = 300
    /// Probability that a value passes dropout; the paper has none.
    public var keep: Float = 1
    /// Seed of the weights behind the embedding and of the order of the texts.
    public var seed: UInt64 = 1
    /// Threads to use; 0 for all processors. Results do not depend on it.
    public var threads = 0
    /// Seconds between checkpoints at least.
    public var checkpointSeconds = 60.0

    /// Makes the default options, those of the paper.
    public init() {}

    /// All that decides the result: a run is resumed with the same settings.
    var fingerprint: String {
      let parts: [any CustomStringConvertible] = [steps, batch, rate, evaluationInterval, hidden, seed]
      return parts.map(\.description).joined(separator: " ") + (finalRate.map { " falling to \($0)" } ?? "")
        + (keep < 1 ? " keep \(keep)" : "")
    }
  }

  /// One look at the dev texts.
  public struct Evaluation: Sendable, Equatable {
    /// Batches trained on before it.
    public var step: Int
    /// Mean loss of the batches since the last evaluation, while the weights moved.
    public var trainLoss: Double
    /// Mean loss on the dev texts.
    public var devLoss: Double
    /// Share of the dev texts that are given their class.
    public var devAccuracy: Double
    /// Share of all codes that changed since the last evaluation; NaN at the first and for layers without codes.
    public var changedCodes: Double
  }

  /// Where training stands.
  public struct Progress: Sendable {
    /// Batches done.
    public var step: Int
    /// Batches to do.
    public var steps: Int
    /// Mean loss since the last evaluation.
    public var loss: Double
    /// Words trained on in a second.
    public var tokensPerSecond: Double
    /// Seconds that the rest will take.
    public var secondsLeft: Double
    /// The evaluation that has just been made.
    public var finished: Evaluation?
  }

  /// The model; after ``train(checkpoint:resume:progress:)`` with its best weights.
  public let model: TextClassifier
  /// The evaluations made.
  public private(set) var history: [Evaluation] = []
  /// Wall-clock seconds of training and evaluation, of earlier processes too.
  public private(set) var seconds = 0.0
  /// Words trained on in a second of training in this process.
  public var tokensPerSecond: Double { trainSeconds > 0 ? Double(trainedTokens) / trainSeconds : 0 }

  private let data: ClassificationData
  private let options: Options
  private let optimizer: Adam
  private let description: String
  private var best = Snapshot()
  /// Packed codes at the last evaluation.
  private var codes: [UInt8] = []
  private var trainedTokens = 0
  private var trainSeconds = 0.0
  /// Order of the texts in the pass that is being made.
  private var order: (pass: Int, texts: [Int]) = (-1, [])

  private static let orderStream: UInt64 = 1 << 41

  /// Makes a model over `embedding` with fresh weights.
  ///
  /// - Parameter description: What the embedding is, in words; a run is resumed only with the same.
  /// - Throws: `invalidArgument` where the embedding has not a row for each word; `outOfMemory`.
  public init(
    data: ClassificationData, embedding: any EmbeddingLayer, description: String, options: Options
  ) throws(DPQError) {
    guard embedding.rows == data.vocabulary.count else {
      throw DPQError(
        .invalidArgument, "an embedding of \(embedding.rows) rows does not fit \(data.vocabulary.count) words")
    }
    guard options.batch >= 1, options.batch <= data.train.count else {
      throw DPQError(
        .invalidArgument, "\(data.train.count) texts are too few for batches of \(options.batch): lower --batch")
    }
    self.data = data
    self.options = options
    self.description = description
    model = try TextClassifier(
      embedding: embedding, classes: data.classes.count, hidden: options.hidden, keep: options.keep, seed: options.seed,
      threads: options.threads)
    optimizer = try Adam(model.parameters, rate: options.rate, threads: options.threads)
  }

  /// The evaluation that the model's weights are from: the highest dev accuracy, of equal ones the lowest dev loss.
  public var bestEvaluation: Evaluation? {
    history.max { ($0.devAccuracy, -$0.devLoss) < ($1.devAccuracy, -$1.devLoss) }
  }

  /// Trains for the steps asked for and takes back the best weights.
  ///
  /// - Parameters:
  ///   - checkpoint: Path of the checkpoint, which is replaced in one step.
  ///   - resume: Go on from `checkpoint` where it is there.
  ///   - progress: Called after each batch; returning `false` stops.
  /// - Throws: `cancelled`; `nonFiniteValue` where training diverges; `malformedInput` for a checkpoint of other data or
  ///   settings; `inputOutput`.
  public func train(
    checkpoint: String? = nil, resume: Bool = false, progress: (Progress) -> Bool = { _ in true }
  ) throws(DPQError) {
    best = Snapshot(folder: checkpoint.map(OutputFolder.containing))
    if let checkpoint, resume { try restore(checkpoint) }
    let start = Runtime.clock
    let secondsBefore = seconds
    var lastCheckpoint = start
    var step = history.last?.step ?? 0
    let firstStep = step
    var (sum, count) = (0.0, 0)
    while step < options.steps {
      let batchStart = Runtime.clock
      let indices = batch(step)
      try model.embedding.advance(to: Double(step) / Double(options.steps))
      if let finalRate = options.finalRate {
        optimizer.rate = options.rate + (finalRate - options.rate) * Float(step) / Float(options.steps)
      }
      sum += try model.train(data.train, indices)
      try optimizer.step()
      count += 1
      step += 1
      guard sum.isFinite else {
        throw DPQError(.nonFiniteValue, "training diverged at step \(step): lower the learning rate")
      }
      trainedTokens += indices.reduce(0) { $0 + data.train.range($1).count }
      trainSeconds += Runtime.clock - batchStart
      var state = Progress(
        step: step, steps: options.steps, loss: sum / Double(count), tokensPerSecond: tokensPerSecond,
        secondsLeft: (Runtime.clock - start) / Double(step - firstStep) * Double(options.steps - step))
      if step % options.evaluationInterval == 0 || step == options.steps {
        try evaluate(step, trainLoss: state.loss)
        state.finished = history.last
        (sum, count) = (0, 0)
        seconds = secondsBefore + Runtime.clock - start
        if let checkpoint, step < options.steps, Runtime.clock - lastCheckpoint >= options.checkpointSeconds {
          try write(checkpoint)
          lastCheckpoint = Runtime.clock
        }
      }
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
    try best.restore(tensors)
    model.embedding.reload()
    seconds = secondsBefore + Runtime.clock - start
  }

  private func evaluate(_ step: Int, trainLoss: Double) throws(DPQError) {
    let dev = try model.evaluate(data.dev)
    var evaluation = Evaluation(
      step: step, trainLoss: trainLoss, devLoss: dev.loss, devAccuracy: dev.accuracy, changedCodes: .nan)
    if let layer = model.embedding as? DPQEmbedding {
      evaluation.changedCodes = try layer.changedCodes(since: &codes)
    }
    let before = bestEvaluation
    history.append(evaluation)
    if bestEvaluation?.step != before?.step { try best.keep(tensors) }
  }

  /// The texts of a batch: pass after pass over all of them, each in an order of its own; a batch may lie across two.
  private func batch(_ step: Int) -> [Int] {
    let count = data.train.count
    return (step * options.batch..<(step + 1) * options.batch).map { place in
      if order.pass != place / count {
        var generator = SeededGenerator(seed: options.seed, stream: Self.orderStream + UInt64(place / count))
        order = (place / count, generator.permutation(count))
      }
      return order.texts[place % count]
    }
  }

  // MARK: - Checkpoints

  private var tensors: [(name: String, value: Matrix)] {
    model.parameters.map { ($0.name, $0.value) } + model.buffers
  }

  private var identity: [(name: String, value: String)] {
    let texts = [data.train, data.dev].map {
      String(Checkpoint.checksum(of: $0.words), radix: 16) + " " + String(Checkpoint.checksum(of: $0.labels), radix: 16)
    }
    return [
      ("settings", options.fingerprint), ("embedding", description), ("texts", texts.joined(separator: " ")),
    ]
  }

  private func write(_ path: String) throws(DPQError) {
    let evaluations = history.map { "\($0.step) \($0.trainLoss) \($0.devLoss) \($0.devAccuracy) \($0.changedCodes)" }
    try Checkpoint.write(
      to: path, metadata: identity + [("evaluations", evaluations.joined(separator: ";")), ("seconds", "\(seconds)")],
      tensors: tensors + optimizer.buffers, best: best)
  }

  private func restore(_ path: String) throws(DPQError) {
    guard let checkpoint = try CheckpointFile.open(path, of: identity) else { return }
    let evaluations = (checkpoint["evaluations"] ?? "").split(separator: ";").map { line in
      line.split(separator: " ").compactMap { Double($0) }
    }
    guard !evaluations.isEmpty, evaluations.allSatisfy({ $0.count == 5 && $0[0] >= 1 && $0[0] < 1e9 }) else {
      throw DPQError(.malformedInput, "tells no evaluations: it is damaged", .init(file: path))
    }
    history = evaluations.map {
      Evaluation(step: Int($0[0]), trainLoss: $0[1], devLoss: $0[2], devAccuracy: $0[3], changedCodes: $0[4])
    }
    seconds = checkpoint["seconds"].flatMap { Double($0) } ?? 0
    try checkpoint.restore(tensors + optimizer.buffers)
    try checkpoint.restoreBest(of: tensors, to: best)
    model.batches = UInt64(history.last?.step ?? 0)
    model.embedding.reload()
    if let layer = model.embedding as? DPQEmbedding { _ = try layer.changedCodes(since: &codes) }
  }
}
