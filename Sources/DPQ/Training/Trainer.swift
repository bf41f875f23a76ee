/// Runs the method that the options name on a training set, and reports on the way.
struct Trainer {
  let options: CompressionOptions
  let layout: CodeLayout
  let training: TrainingSet

  /// Two sweeps in a row that change the error by less than this share end the training.
  private static let smallGain = 1e-5

  /// What training came to.
  struct Result {
    var codebook: [Float]
    /// The k-means codewords that `vq` and `sx` started from.
    var start: [Float]?
    var epochs: Int
    /// Mean squared error per value of the training rows.
    var loss: Double?
    var codesInUse: Int
  }

  /// Trains; `progress` returning `false` stops with `cancelled`.
  func run(_ progress: (CompressionProgress) -> Bool) throws(DPQError) -> Result {
    let epochs = options.epochs ?? Compressor.defaultEpochs(options.method)
    let total = layout.codebooks * layout.codes
    func report(
      _ phase: CompressionProgress.Phase, _ epoch: Int, _ fraction: Double, _ loss: Double?, _ inUse: Int
    ) throws(DPQError) {
      let state = CompressionProgress(
        phase: phase, epoch: epoch, epochs: epochs, fraction: fraction, loss: loss, codesInUse: inUse, codesTotal: total
      )
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
    try report(.seed, 0, 0, nil, 0)

    if options.method == .kmeans {
      return try kmeans(epochs: epochs) { (epoch, loss, inUse) throws(DPQError) in
        try report(.train, epoch, 0.02 + 0.88 * Double(epoch) / Double(epochs), loss, inUse)
      }
    }
    var result: Result
    var begin = 0.02
    if options.start == .kmeans {
      let sweeps = Compressor.defaultEpochs(.kmeans)
      begin = 0.3
      result = try kmeans(epochs: sweeps) { (sweep, loss, inUse) throws(DPQError) in
        try report(.seed, 0, 0.02 + 0.28 * Double(sweep) / Double(sweeps), loss, inUse)
      }
      result.start = result.codebook
    } else {
      result = Result(codebook: try randomRows(), start: nil, epochs: 0, loss: nil, codesInUse: 0)
    }
    let trainer = LayerTrainer(
      training: training, layout: layout, isSoftmax: options.method == .sx, seed: options.seed, threads: options.threads
    )
    result.codebook = try trainer.train(from: result.codebook, epochs: epochs) {
      (epoch, loss, inUse) throws(DPQError) in
      result.loss = loss
      result.codesInUse = inUse
      try report(.train, epoch, begin + (0.9 - begin) * Double(epoch) / Double(epochs), loss, inUse)
    }
    result.epochs = epochs
    return result
  }

  private func kmeans(
    epochs: Int, report: (Int, Double, Int) throws(DPQError) -> Void
  ) throws(DPQError) -> Result {
    let values = training.totalWeight * Double(layout.dimension)
    let first = try KMeans.initialCodebook(training, layout: layout, seed: options.seed)
    var kmeans = try KMeans(training, layout: layout, codebook: first, seed: options.seed, threads: options.threads)
    var (epoch, last, still) = (0, epochs, 0)
    var error = Double.infinity
    while epoch < last {
      epoch += 1
      try kmeans.step(epoch, of: last)
      let now = kmeans.errors.reduce(0, +)
      still = abs(error - now) <= Self.smallGain * now ? still + 1 : 0
      error = now
      // Nothing moves any more: go over to the closing sweeps.
      if still == 2 { last = min(last, epoch + KMeans.closingSweeps) }
      try report(epoch, error / values, kmeans.codesInUse)
    }
    kmeans.restoreBest()
    return Result(
      codebook: kmeans.codebook, start: nil, epochs: epoch, loss: kmeans.error / values, codesInUse: kmeans.codesInUse)
  }

  /// Codewords that are random rows: where training from scratch starts.
  private func randomRows() throws(DPQError) -> [Float] {
    var generator = SeededGenerator(seed: options.seed, stream: 1 << 43)
    let count = min(layout.codes, training.rows.count)
    let columns = try Columns(training.rows.gather(generator.evenSample(count, below: training.rows.count)))
    var codebook = [Float](repeating: 0, count: layout.codebookCount)
    let whole = max(1, layout.dimension / layout.width)
    for b in 0..<layout.codebooks {
      for k in 0..<layout.codes {
        let first = (layout.isShared ? generator.index(below: whole) : b) * layout.width
        let row = generator.index(below: count)
        for c in 0..<min(layout.width, layout.dimension - first) {
          codebook[(b * layout.codes + k) * layout.width + c] = columns[layout.codes <= count ? k : row, first + c]
        }
      }
    }
    return codebook
  }
}
