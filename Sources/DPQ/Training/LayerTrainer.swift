/// The DPQ layer trained to reconstruct a table (Chen, Li, Sun 2020; here the query is the row itself and constant).
///
/// After each epoch the codewords are tried as they will be stored, with each row coded by the nearest, and the best of
/// each codebook are kept; so are those of a k-means start, and a few sweeps of Lloyd's algorithm refit what was kept.
///
/// The response is not normalised here: the statistics a code shares over groups have no meaning once groups have
/// their own k-means codewords, and codes in files are the nearest codewords. SX keys carry a bias instead, started at
/// −‖key‖²/2, so that the response ranks keys by distance and starts where k-means ended.
struct LayerTrainer {
  let training: TrainingSet
  let layout: CodeLayout
  let isSoftmax: Bool
  let seed: UInt64
  let threads: Int

  /// Rows of a batch.
  static let batch = 1024

  /// Step size at the start, in units of what a value is off by, falling as (1 − t)² to `finalRate`.
  ///
  /// So large a step shakes the codewords out of the minimum k-means stopped in, and the decay lets them settle in a
  /// deeper one: measured on real tables, errors end 0.2–0.6 % lower than with an eighth of the step.
  private static let rate: Float = 0.4
  private static let finalRate: Float = 0.001
  /// Temperature of the softmax, in units of the squared error of a sub-vector.
  private static let temperature: Float = 0.1
  /// Sweeps of Lloyd's algorithm at the end: accelerated ones, and plain ones.
  private static let polish = (accelerated: 10, plain: 2)

  /// Trains `codebook` for `epochs` passes and returns the best codewords found.
  func train(
    from codebook: [Float], epochs: Int, report: (Int, Double, Int) throws(DPQError) -> Void
  ) throws(DPQError) -> [Float] {
    var lloyd = try KMeans(training, layout: layout, codebook: codebook, seed: seed, threads: threads)
    try lloyd.step()
    // The scale of a step: what a value is off by at the start. Nothing, where nothing weighs anything.
    let values = training.totalWeight * Double(layout.dimension)
    let scale = values > 0 ? Float((lloyd.error / values).squareRoot()) : 0
    var step = try LayerStep(layout: layout, isSoftmax: isSoftmax, batch: Self.batch, threads: threads)
    var layer = try Layer(layout: layout, isSoftmax: isSoftmax, keyWidth: step.keyWidth, codebook: codebook)
    var generator = SeededGenerator(seed: seed, stream: 1 << 41)
    let batches = (training.rows.count + Self.batch - 1) / Self.batch
    var done = 0
    for epoch in 0..<epochs {
      let order = self.order(&generator)
      for batch in 0..<batches {
        let progress = Float(done) / Float(epochs * batches)
        let rate = Self.finalRate + (Self.rate - Self.finalRate) * (1 - progress) * (1 - progress)
        try step.load(training.rows, order[(batch * Self.batch)..<min(order.count, (batch + 1) * Self.batch)])
        try step.run(
          keys: layer.keys, values: layer.values,
          temperature: max(.leastNormalMagnitude, Self.temperature * scale * scale * Float(layout.width)))
        layer.optimizer.rate = rate * scale
        try layer.optimizer.step()
        layer.restartDead(step, after: 2 * batches, &generator)
        done += 1
      }
      lloyd.replaceCodebook(layer.codebook())
      try lloyd.step()
      try report(epoch + 1, lloyd.error / values, lloyd.codesInUse)
    }
    lloyd.restoreBest()
    for _ in 0..<Self.polish.accelerated { try lloyd.step(accelerating: true) }
    for _ in 0..<Self.polish.plain { try lloyd.step() }
    lloyd.restoreBest()
    return lloyd.codebook
  }

  /// Row ids of an epoch in random order; with weights each row stands in as often as its weight asks, on average.
  private func order(_ generator: inout SeededGenerator) -> [Int] {
    let count = training.rows.count
    let order = generator.permutation(count)
    // Where nothing weighs anything, as when all rows are zeros and the metric is cosine, any order will do.
    guard let weights = training.weights, training.totalWeight > 0 else { return order }
    // Systematic sampling: equally spaced marks on the line of cumulated weights.
    let spacing = training.totalWeight / Double(count)
    var mark = generator.uniform() * spacing
    var sum = 0.0
    var drawn: [Int] = []
    drawn.reserveCapacity(count)
    for (id, weight) in weights.enumerated() {
      sum += Double(weight)
      while mark < sum && drawn.count < count {
        drawn.append(id)
        mark += spacing
      }
    }
    while drawn.count < count { drawn.append(drawn[generator.index(below: max(1, drawn.count))]) }
    return order.map { drawn[$0] }
  }

  /// The trained parameters.
  private struct Layer {
    let layout: CodeLayout
    let keyWidth: Int
    let keys: Parameter
    /// The keys themselves for VQ.
    let values: Parameter
    let optimizer: Adam
    /// Steps since each codeword was last chosen.
    var idle: [Int]

    init(layout: CodeLayout, isSoftmax: Bool, keyWidth: Int, codebook: [Float]) throws(DPQError) {
      self.layout = layout
      self.keyWidth = keyWidth
      let codewords = layout.codebooks * layout.codes
      keys = try Parameter(name: "keys", value: Matrix(rows: codewords, columns: keyWidth))
      values = isSoftmax ? try Parameter(name: "values", value: Matrix(rows: codewords, columns: keyWidth)) : keys
      optimizer = try Adam(isSoftmax ? [keys, values] : [keys], decay: (0.9, 0.99), epsilon: 1e-20, threads: 1)
      idle = [Int](repeating: 0, count: codewords)
      for k in 0..<codewords { set(k) { codebook[k * layout.width + $0] } }
    }

    /// Puts codeword `k` at the sub-vector of which `value` tells the coordinates.
    private func set(_ k: Int, _ value: (Int) -> Float) {
      var norm: Float = 0
      for c in 0..<layout.width {
        keys.value[k, c] = value(c)
        norm += keys.value[k, c] * keys.value[k, c]
      }
      if keyWidth > layout.width { keys.value[k, layout.width] = -norm / 2 }
      for c in 0..<keyWidth { values.value[k, c] = keys.value[k, c] }
    }

    /// Codewords as they would be stored.
    func codebook() -> [Float] {
      var codebook: [Float] = []
      codebook.reserveCapacity(layout.codebookCount)
      for k in 0..<values.value.rows {
        for c in 0..<layout.width { codebook.append(values.value[k, c]) }
      }
      return codebook
    }

    /// Restarts codewords that no row chose for `limit` steps at a random row of the batch.
    mutating func restartDead(_ step: borrowing LayerStep, after limit: Int, _ generator: inout SeededGenerator) {
      for k in idle.indices { idle[k] += 1 }
      for i in 0..<step.count {
        for j in 0..<layout.groups { idle[(layout.isShared ? 0 : j * layout.codes) + step.code(i, j)] = 0 }
      }
      for k in idle.indices where idle[k] > limit {
        idle[k] = 0
        let (i, whole) = (generator.index(below: step.count), max(1, layout.dimension / layout.width))
        let group = layout.isShared ? generator.index(below: whole) : k / layout.codes
        set(k) { step.queryValue(i, group, $0) }
        for index in optimizer.parameters.indices { optimizer.forget(row: k, ofParameter: index) }
      }
    }
  }
}
