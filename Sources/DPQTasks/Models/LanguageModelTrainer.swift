import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Trains a language model, keeps the weights of the epoch with the lowest validation perplexity, and can go on from a
/// checkpoint bit for bit.
public final class LanguageModelTrainer {
  /// What an epoch came to.
  public struct Epoch: Sendable, Equatable {
    /// Step size.
    public var rate: Float
    /// Perplexity over the batches trained on, while the weights moved.
    public var train: Double
    /// Perplexity of the validation text after it.
    public var valid: Double
    /// Share of all codes that it changed; NaN for the first epoch and for layers without codes of their own.
    public var changedCodes = Double.nan
  }

  /// Where training stands.
  public struct Progress: Sendable {
    /// Epochs done.
    public var epoch: Int
    /// Epochs to do.
    public var epochs: Int
    /// Share of all batches done.
    public var fraction: Double
    /// Perplexity so far in this epoch.
    public var train: Double
    /// Words trained on in a second of training, since this process began.
    public var tokensPerSecond: Double
    /// Seconds that the rest will take; `nil` before anything is known.
    public var secondsLeft: Double?
    /// The epoch that has just ended.
    public var finished: Epoch?
  }

  /// The model; after ``train(checkpoint:resume:progress:)`` with its best weights.
  public let model: LanguageModel
  /// The epochs done.
  public private(set) var history: [Epoch] = []
  /// Wall-clock seconds of training and evaluation, of earlier processes too.
  public private(set) var seconds = 0.0
  /// Words trained on in a second of training, evaluation not counted.
  public var tokensPerSecond: Double { trainSeconds > 0 ? Double(trainedTokens) / trainSeconds : 0 }

  private let data: LanguageModelData
  private let options: LanguageModelOptions
  private let optimizer: SGD
  private let description: String
  private var best = Snapshot()
  private var trainedTokens = 0
  private var trainSeconds = 0.0

  /// Makes a model over `embedding` with fresh weights.
  ///
  /// - Parameter description: What the embedding is, in words; a run is resumed only with the same.
  /// - Throws: `invalidArgument` where the embedding does not fit the model or the text is too short for a batch;
  ///   `outOfMemory`.
  public init(
    data: LanguageModelData, embedding: any EmbeddingLayer, description: String, options: LanguageModelOptions
  ) throws(DPQError) {
    self.data = data
    self.options = options
    self.description = description
    guard data.train.count / options.model.batch > 1 else {
      throw DPQError(
        .invalidArgument, "\(data.train.count) words are too few for \(options.model.batch) sequences: lower --batch")
    }
    model = try LanguageModel(embedding: embedding, options: options.model)
    optimizer = SGD(
      model.parameters, rate: options.rate, clippingNorm: options.clippingNorm, threads: options.model.threads)
  }

  /// The epoch with the lowest validation perplexity, counted from 0.
  public var bestEpoch: Int? { history.indices.min { history[$0].valid < history[$1].valid } }

  /// Trains for the epochs asked for, writing `checkpoint` after each of them.
  ///
  /// - Parameters:
  ///   - checkpoint: Path of the checkpoint; it is replaced in one step.
  ///   - resume: Go on from `checkpoint` where it is there.
  ///   - progress: Called after each batch; returning `false` stops.
  /// - Throws: `cancelled`; `nonFiniteValue` where training diverges; `malformedInput` for a checkpoint of other data or
  ///   settings; `inputOutput`.
  public func train(
    checkpoint: String? = nil, resume: Bool = false, progress: (Progress) -> Bool = { _ in true }
  ) throws(DPQError) {
    best = Snapshot(folder: checkpoint.map(OutputFolder.containing))
    if let checkpoint, resume { try restore(checkpoint) }
    let perEpoch = batchesPerEpoch
    let total = min(options.steps ?? Int.max, perEpoch * options.epochs)
    let start = Runtime.clock
    let secondsBefore = seconds
    let doneBefore = history.count * perEpoch
    var codes: [UInt8] = []
    if !history.isEmpty { _ = try (model.embedding as? DPQEmbedding)?.changedCodes(since: &codes) }
    while history.count < options.epochs, history.count * perEpoch < total {
      let epoch = history.count
      optimizer.rate = options.rate(epoch: epoch)
      model.resetState()
      model.batches = UInt64(epoch * perEpoch)
      var state = Progress(epoch: epoch, epochs: options.epochs, fraction: 0, train: 0, tokensPerSecond: 0)
      var (sum, count) = (0.0, 0)
      for batch in 0..<min(perEpoch, total - epoch * perEpoch) {
        let batchStart = Runtime.clock
        let (inputs, targets) = self.batch(batch)
        try model.embedding.advance(to: Double(epoch * perEpoch + batch) / Double(total))
        sum += try model.train(inputs.span, targets: targets.span)
        try optimizer.step()
        count += inputs.count
        state.train = exp(sum / Double(count))
        guard state.train.isFinite else {
          throw DPQError(
            .nonFiniteValue, "training diverged in epoch \(epoch + 1): lower the learning rate or the clipping norm")
        }
        let now = Runtime.clock
        trainedTokens += inputs.count
        trainSeconds += now - batchStart
        let done = epoch * perEpoch + batch + 1
        state.fraction = Double(done) / Double(total)
        state.tokensPerSecond = tokensPerSecond
        state.secondsLeft = (now - start) / Double(done - doneBefore) * Double(total - done)
        if !progress(state) { throw DPQError(.cancelled, "stopped") }
      }
      var finished = Epoch(
        rate: optimizer.rate, train: exp(sum / Double(count)), valid: try perplexity(data.valid))
      if let layer = model.embedding as? DPQEmbedding {
        finished.changedCodes = try layer.changedCodes(since: &codes)
      }
      if bestEpoch.map({ finished.valid < history[$0].valid }) ?? true { try best.keep(tensors) }
      history.append(finished)
      seconds = secondsBefore + Runtime.clock - start
      if let checkpoint { try write(checkpoint) }
      state.epoch = history.count
      state.finished = finished
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
    try best.restore(tensors)
    model.embedding.reload()
  }

  /// Perplexity of a text: every word but the first is predicted from all before it.
  public func perplexity(_ text: [Int32]) throws(DPQError) -> Double {
    exp(try model.evaluate(text, streams: options.evaluationStreams) / Double(text.count - 1))
  }

  /// Writes the weights as a safetensors file.
  ///
  /// - Parameter includesEmbedding: Whether those of the embedding are among them; where it is compressed to a file of
  ///   its own they only make this one large.
  public func writeModel(to path: String, includesEmbedding: Bool = true) throws(DPQError) {
    let own = model.parameters.dropLast(model.embedding.parameters.count).map { ($0.name, $0.value) }
    try Checkpoint.write(
      to: path, metadata: [("embedding", description)], tensors: includesEmbedding ? tensors : own)
  }

  // MARK: - Batches

  /// The text is cut into as many equal parts as there are sequences; what is left over is not trained on.
  private var partCount: Int { data.train.count / options.model.batch }
  private var batchesPerEpoch: Int { max(1, (partCount - 1) / options.unroll) }

  private func batch(_ index: Int) -> (inputs: [Int32], targets: [Int32]) {
    let first = index * options.unroll
    let steps = min(options.unroll, partCount - 1 - first)
    var (inputs, targets): ([Int32], [Int32]) = ([], [])
    inputs.reserveCapacity(steps * options.model.batch)
    targets.reserveCapacity(steps * options.model.batch)
    for step in first..<(first + steps) {
      for part in 0..<options.model.batch {
        inputs.append(data.train[part * partCount + step])
        targets.append(data.train[part * partCount + step + 1])
      }
    }
    return (inputs, targets)
  }

  // MARK: - Checkpoints

  private var tensors: [(name: String, value: Matrix)] {
    model.parameters.map { ($0.name, $0.value) } + model.embedding.buffers
  }

  private var identity: [(name: String, value: String)] {
    let text = [data.train, data.valid].map { String(Checkpoint.checksum(of: $0), radix: 16) }
    return [
      ("settings", options.fingerprint), ("embedding", description), ("text", text.joined(separator: " ")),
    ]
  }

  private func write(_ path: String) throws(DPQError) {
    let epochs = history.map { "\($0.rate) \($0.train) \($0.valid) \($0.changedCodes)" }.joined(separator: ";")
    try Checkpoint.write(
      to: path, metadata: identity + [("epochs", epochs), ("seconds", "\(seconds)")], tensors: tensors, best: best)
  }

  private func restore(_ path: String) throws(DPQError) {
    guard let checkpoint = try CheckpointFile.open(path, of: identity) else { return }
    let epochs = (checkpoint["epochs"] ?? "").split(separator: ";").map { $0.split(separator: " ") }
    history = epochs.compactMap { parts in
      guard (3...4).contains(parts.count), let rate = Float(parts[0]), let train = Double(parts[1]),
        let valid = Double(parts[2])
      else { return nil }
      return Epoch(
        rate: rate, train: train, valid: valid,
        changedCodes: parts.count == 4 ? Double(parts[3]) ?? .nan : .nan)
    }
    guard history.count == epochs.count, !history.isEmpty else {
      throw DPQError(.malformedInput, "tells no epochs: it is damaged", .init(file: path))
    }
    seconds = checkpoint["seconds"].flatMap(Double.init) ?? 0
    try checkpoint.restore(tensors)
    try checkpoint.restoreBest(of: tensors, to: best)
    model.embedding.reload()
  }
}
