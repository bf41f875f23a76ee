import DPQ

/// Trains what a problem poses with Adam, pass after pass, keeps the weights of the epoch that is best on the dev data,
/// and can go on from a checkpoint bit for bit.
package final class EpochTrainer {
  /// How long and how fast to train.
  package struct Options: Sendable {
    /// Passes over the examples.
    package var epochs = 10
    /// Stop after that many batches.
    package var steps: Int?
    /// Examples of a batch.
    package var batch = 32
    /// Step size of Adam in the first epoch.
    package var rate: Float = 1e-3
    /// Factor on the step size from one epoch to the next.
    package var decay: Float = 0.9
    /// Seed of the order of the examples.
    package var seed: UInt64 = 1
    /// Threads to use; 0 for all processors. Results do not depend on it.
    package var threads = 0

    /// Makes the default options.
    package init() {}

    /// All that decides the result but the number of epochs.
    var fingerprint: String {
      let parts: [any CustomStringConvertible] = [batch, rate, decay, seed]
      return parts.map(\.description).joined(separator: " ")
    }
  }

  /// What an epoch came to.
  package struct Epoch: Sendable, Equatable {
    /// Mean loss over the batches trained on, while the weights moved.
    package var loss: Double
    /// The metric on the dev data after it.
    package var dev: Double
  }

  /// Where training stands.
  package struct Progress: Sendable {
    /// Epochs done.
    package var epoch: Int
    /// Epochs to do.
    package var epochs: Int
    /// Share of all batches done.
    package var fraction: Double
    /// Mean loss so far in this epoch.
    package var loss: Double
    /// Words trained on in a second of training, since this process began.
    package var tokensPerSecond: Double
    /// Seconds that the rest will take; `nil` before anything is known.
    package var secondsLeft: Double?
    /// The epoch that has just ended.
    package var finished: Epoch?
  }

  /// What is learned; after ``train(checkpoint:resume:progress:)`` with the best weights.
  package let problem: any LearningProblem
  /// The epochs done.
  package private(set) var history: [Epoch] = []
  /// Wall-clock seconds of training and evaluation, of earlier processes too.
  package private(set) var seconds = 0.0
  /// Words trained on in a second of training in this process, evaluation not counted.
  package var tokensPerSecond: Double { trainSeconds > 0 ? Double(trainedTokens) / trainSeconds : 0 }

  private let options: Options
  private let optimizer: Adam
  private let description: String
  private var best = Snapshot()
  private var trainedTokens = 0
  private var trainSeconds = 0.0

  private static let orderStream: UInt64 = 1 << 41

  /// Makes a trainer of `problem`, whose weights are fresh.
  ///
  /// - Parameter description: What the embedding is, in words; a run is resumed only with the same.
  /// - Throws: `outOfMemory`.
  package init(_ problem: any LearningProblem, description: String, options: Options) throws(DPQError) {
    self.problem = problem
    self.options = options
    self.description = description
    optimizer = try Adam(problem.parameters, rate: options.rate, threads: options.threads)
  }

  /// The epoch with the best score on the dev data, counted from 0; the first of several.
  package var bestEpoch: Int? {
    history.indices.reduce(nil) { best, epoch in
      best.map { history[$0].dev >= history[epoch].dev } ?? false ? best : epoch
    }
  }

  /// Trains for the epochs asked for, writing `checkpoint` after each of them, and takes back the best weights.
  ///
  /// - Parameters:
  ///   - checkpoint: Path of the checkpoint; it is replaced in one step.
  ///   - resume: Go on from `checkpoint` where it is there.
  ///   - progress: Called after each batch and each epoch; returning `false` stops.
  /// - Throws: `cancelled`; `nonFiniteValue` where training diverges; `malformedInput` for a checkpoint of other data or
  ///   settings; `inputOutput`.
  package func train(
    checkpoint: String? = nil, resume: Bool = false, progress: (Progress) -> Bool = { _ in true }
  ) throws(DPQError) {
    best = Snapshot(folder: checkpoint.map(OutputFolder.containing))
    if let checkpoint, resume { try restore(checkpoint) }
    let perEpoch = (problem.lengths.count + options.batch - 1) / options.batch
    let total = min(options.steps ?? Int.max, perEpoch * options.epochs)
    let start = Runtime.clock
    let secondsBefore = seconds
    let doneBefore = history.count * perEpoch
    while history.count < options.epochs, history.count * perEpoch < total {
      let epoch = history.count
      optimizer.rate = (0..<epoch).reduce(options.rate) { rate, _ in rate * options.decay }
      problem.batches = UInt64(epoch * perEpoch)
      var generator = SeededGenerator(seed: options.seed, stream: Self.orderStream + UInt64(epoch))
      let batches = LengthBatches.shuffled(problem.lengths, size: options.batch, generator: &generator)
      var state = Progress(epoch: epoch, epochs: options.epochs, fraction: 0, loss: 0, tokensPerSecond: 0)
      var (sum, count) = (0.0, 0)
      for (index, batch) in batches.prefix(total - epoch * perEpoch).enumerated() {
        let batchStart = Runtime.clock
        try problem.embedding.advance(to: Double(epoch * perEpoch + index) / Double(total))
        let result = try problem.train(batch)
        try optimizer.step()
        sum += result.loss
        count += result.count
        guard sum.isFinite else {
          throw DPQError(.nonFiniteValue, "training diverged in epoch \(epoch + 1): lower the learning rate")
        }
        let now = Runtime.clock
        trainedTokens += batch.reduce(0) { $0 + problem.words(of: $1) }
        trainSeconds += now - batchStart
        let done = epoch * perEpoch + index + 1
        state.fraction = Double(done) / Double(total)
        state.loss = sum / Double(max(count, 1))
        state.tokensPerSecond = tokensPerSecond
        state.secondsLeft = (now - start) / Double(done - doneBefore) * Double(total - done)
        if !progress(state) { throw DPQError(.cancelled, "stopped") }
      }
      let before = bestEpoch
      history.append(Epoch(loss: state.loss, dev: try problem.score(.dev).value))
      if bestEpoch != before { try best.keep(problem.tensors) }
      seconds = secondsBefore + Runtime.clock - start
      // An epoch that --steps cut short is no place to go on from.
      if let checkpoint, (epoch + 1) * perEpoch <= total { try write(checkpoint) }
      state.epoch = history.count
      state.finished = history.last
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
    try best.restore(problem.tensors)
    problem.embedding.reload()
  }

  // MARK: - Checkpoints

  private var identity: [(name: String, value: String)] {
    problem.identity + [("settings", options.fingerprint), ("embedding", description)]
  }

  private func write(_ path: String) throws(DPQError) {
    let epochs = history.map { "\($0.loss) \($0.dev)" }.joined(separator: ";")
    try Checkpoint.write(
      to: path, metadata: identity + [("epochs", epochs), ("seconds", "\(seconds)")],
      tensors: problem.tensors + optimizer.buffers, best: best)
  }

  private func restore(_ path: String) throws(DPQError) {
    guard let checkpoint = try CheckpointFile.open(path, of: identity) else { return }
    let epochs = (checkpoint["epochs"] ?? "").split(separator: ";").map { epoch in
      epoch.split(separator: " ").compactMap { Double($0) }
    }
    guard !epochs.isEmpty, epochs.allSatisfy({ $0.count == 2 }) else {
      throw DPQError(.malformedInput, "tells no epochs: it is damaged", .init(file: path))
    }
    history = epochs.map { Epoch(loss: $0[0], dev: $0[1]) }
    seconds = checkpoint["seconds"].flatMap { Double($0) } ?? 0
    try checkpoint.restore(problem.tensors + optimizer.buffers)
    try checkpoint.restoreBest(of: problem.tensors, to: best)
    problem.embedding.reload()
  }
}
