/// Learns the basis of a binary tier (after AdaComp: Kim, Kim, Lee 2020; Tissier, Gravier, Habrard 2019).
///
/// A binary auto-encoder is trained by gradient on a sample: z = W e, bit = z > 0, decoded by the tied weights Wᵀ, with
/// ½‖W Wᵀ − I‖² to keep them orthogonal (the smaller of the two Gram matrices), straight through the step. Its decoder is
/// then refitted by least squares with the bits fixed; and bits and decoder are tuned in turns, each against the other.
struct BinaryTrainer {
  let training: TrainingSet
  let layout: BinaryLayout
  let storage: Codebook.Storage
  let seed: UInt64
  let threads: Int

  /// Turns of bits and decoder that are made by default: a third gains a two-hundredth of the error at most.
  static let defaultTurns = 2
  /// Rows that the gradient stage and the turns look at, at most.
  private static let gradientRows = 8192
  private static let mostRows = 16_384
  /// Of the gradient stage.
  private static let (batch, passes, rate) = (256, 1, Float(1e-2))
  /// Added to the moments, as a share of the largest: bits that never differ have no vector of their own.
  private static let ridge = 1e-5

  /// Trains; `report` gets the turns done and the weighted squared error of a row of the sample.
  func train(
    from start: BinaryBasis? = nil, turns: Int, report: (Int, Double) throws(DPQError) -> Void
  ) throws(DPQError) -> BinaryBasis {
    var generator = SeededGenerator(seed: seed, stream: 1 << 45)
    let total = training.rows.count
    let count = min(total, Self.mostRows)
    let ids = count < total ? generator.evenSample(count, below: total) : nil
    let rows = try Matrix(rows: count, columns: layout.dimension)
    try rows.copy(
      ids.map { (ids) throws(DPQError) in try training.rows.gather(ids) } ?? training.rows, first: 0, count: count,
      threads: threads)
    let given = training.weights
    let weights = given.map { given in (0..<count).map { given[ids?[$0] ?? $0] } }
    let sum = weights.map { $0.reduce(0) { $0 + Double($1) } } ?? Double(count)
    guard sum > 0 else {
      return try BinaryBasis(
        layout: layout, values: [Float](repeating: 0, count: layout.bits * layout.dimension),
        bias: [Float](repeating: 0, count: layout.dimension), storage: storage)
    }
    let sample = Sample(rows: rows, factors: weights.map { $0.map { Float(Double($0) * Double(count) / sum) } })

    // A column more than bits: the ones that the middle is fitted to.
    let halves = try Matrix(rows: count, columns: layout.bits + 1)
    for i in 0..<count { halves[i, layout.bits] = 1 }
    var basis: BinaryBasis
    if let start {
      basis = start
      try settle(sample, halves, basis, isStarted: false)
    } else {
      basis = try autoEncoder(sample, &generator)
      try settle(sample, halves, basis, isStarted: false, passes: false)
    }
    basis = try refit(sample, halves)
    for turn in 0..<turns {
      try settle(sample, halves, basis, isStarted: true)
      basis = try refit(sample, halves)
      try report(turn + 1, 0)
    }
    return basis
  }

  private struct Sample {
    let rows: Matrix
    /// A factor a row, 1 on average.
    let factors: [Float]?
  }

  /// Chooses the bits of the sample; without `passes` they are the signs alone.
  private func settle(
    _ sample: Sample, _ halves: Matrix, _ basis: BinaryBasis, isStarted: Bool, passes: Bool = true
  ) throws(DPQError) {
    let coder = try BitCoder(layout: layout, values: basis.values, bias: basis.bias, threads: threads)
    let correlations = try coder.correlations()
    for first in stride(from: 0, to: sample.rows.rows, by: BitCoder.block) {
      let count = min(BitCoder.block, sample.rows.rows - first)
      try coder.settle(
        sample.rows, first: first, count: count, halves: halves, halvesFirst: first, correlations: correlations,
        isStarted: isStarted, passes: passes ? BitCoder.passes : 0)
    }
  }

  /// The vectors and the bias that rebuild the sample best from its bits.
  private func refit(_ sample: Sample, _ halves: Matrix) throws(DPQError) -> BinaryBasis {
    let (bits, dimension) = (layout.bits, layout.dimension)
    var weighted = halves
    if let factors = sample.factors {
      weighted = try Matrix(rows: halves.rows, columns: halves.columns)
      weighted.copy(from: halves)
      weighted.scaleRows(factors)
    }
    let moments = try Matrix(rows: bits + 1, columns: bits + 1)
    try moments.all.setProduct(.transposed(weighted.all), .plain(halves.all), threads: threads)
    let products = try Matrix(rows: bits + 1, columns: dimension)
    try products.all.setProduct(.transposed(weighted.all), .plain(sample.rows.all), threads: threads)
    let solution = try solveNormalEquations(moments, products, ridge: Self.ridge * Double(halves.rows))
    let values = Array(solution[..<(bits * dimension)])
    // The middle lies half of every vector above the bias.
    let bias = (0..<dimension).map { c in
      var sum = 0.0
      for j in 0..<bits { sum += Double(values[j * dimension + c]) }
      return solution[bits * dimension + c] - Float(sum / 2)
    }
    return try BinaryBasis(layout: layout, values: values, bias: bias, storage: storage)
  }

  /// The gradient stage: tied weights W of which W·(x − mean) > 0 are the bits.
  private func autoEncoder(_ sample: Sample, _ generator: inout SeededGenerator) throws(DPQError) -> BinaryBasis {
    let (bits, dimension) = (layout.bits, layout.dimension)
    let ids = generator.evenSample(min(Self.gradientRows, sample.rows.rows), below: sample.rows.rows)
    let rows = try Matrix(rows: ids.count, columns: dimension)
    try rows.all.gatherRows(ids.map(Int32.init), of: sample.rows, threads: threads)
    let factors = sample.factors.map { factors in ids.map { factors[$0] } }
    let mean = Self.center(rows, factors)
    let scale = Float((rows.dot(rows) / Double(max(1, rows.count))).squareRoot())
    let weights = try Parameter(name: "weights", value: orthonormal(&generator))
    if scale > 0, scale.isFinite {
      rows.combine(scale: 1 / scale, rows, factor: 0)
      try descend(weights, rows, factors, &generator)
    }
    // Scaled as bits are decoded, though only the signs matter until the decoder is refitted.
    let values = weights.value.array
    let bias = (0..<dimension).map { c in
      var sum = 0.0
      for j in 0..<bits { sum += Double(values[j * dimension + c]) }
      return mean[c] - Float(sum / 2)
    }
    return try BinaryBasis(layout: layout, values: values, bias: bias)
  }

  private func descend(
    _ weights: Parameter, _ rows: Matrix, _ factors: [Float]?, _ generator: inout SeededGenerator
  ) throws(DPQError) {
    let (bits, dimension) = (layout.bits, layout.dimension)
    let size = min(Self.batch, rows.rows)
    let value = weights.value
    let optimizer = try Adam([weights], rate: Self.rate, threads: threads)
    let (batch, rest) = (try Matrix(rows: size, columns: dimension), try Matrix(rows: size, columns: dimension))
    let (codes, halves) = (try Matrix(rows: size, columns: bits), try Matrix(rows: size, columns: bits))
    let small = min(bits, dimension)
    let (gram, turned) = (try Matrix(rows: small, columns: small), try Matrix(rows: bits, columns: dimension))
    let steps = Self.passes * (rows.rows / size)
    var order: [Int] = []
    for step in 0..<steps {
      if order.count < size { order = generator.permutation(rows.rows) }
      let ids = Array(order.suffix(size))
      order.removeLast(size)
      optimizer.rate = Self.rate * (1 - Float(step) / Float(steps))
      try batch.all.gatherRows(ids.map(Int32.init), of: rows, threads: threads)
      try codes.all.setProduct(.plain(batch.all), .transposed(value.all), threads: threads)
      halves.setHalves(codes)
      try rest.all.setProduct(.plain(halves.all), .plain(value.all), threads: threads)
      // One length of all vectors is left to the decoder: here the one that fits best.
      let square = rest.dot(rest)
      let length = square > 0 ? Float(rest.dot(batch) / square) : 1
      rest.combine(scale: length, batch, factor: -1)
      if let factors { rest.scaleRows(ids.map { factors[$0] }) }
      let rate = 2 * length / Float(size * dimension)
      // Decoder: halvesᵀ · rest; encoder, straight through the step: (rest · Wᵀ)ᵀ · batch / 2.
      let gradient = weights.gradient
      try gradient.all.setProduct(.transposed(halves.all), .plain(rest.all), threads: threads)
      try codes.all.setProduct(.plain(rest.all), .transposed(value.all), threads: threads)
      try turned.all.setProduct(.transposed(codes.all), .plain(batch.all), threads: threads)
      gradient.combine(scale: rate, turned, factor: rate / 2)
      // ½‖W Wᵀ − I‖², or ½‖Wᵀ W − I‖² where there are more bits than values.
      if bits <= dimension {
        try gram.all.setProduct(.plain(value.all), .transposed(value.all), threads: threads)
        for i in 0..<small { gram[i, i] -= 1 }
        try turned.all.setProduct(.plain(gram.all), .plain(value.all), threads: threads)
      } else {
        try gram.all.setProduct(.transposed(value.all), .plain(value.all), threads: threads)
        for i in 0..<small { gram[i, i] -= 1 }
        try turned.all.setProduct(.plain(value.all), .plain(gram.all), threads: threads)
      }
      gradient.combine(scale: 1, turned, factor: 2 / Float(dimension))
      try optimizer.step()
    }
  }

  /// Takes the weighted mean off the rows and returns it.
  private static func center(_ rows: Matrix, _ factors: [Float]?) -> [Float] {
    var sums = [Double](repeating: 0, count: rows.columns)
    var total = 0.0
    for i in 0..<rows.rows {
      let factor = Double(factors?[i] ?? 1)
      total += factor
      for c in 0..<rows.columns { sums[c] += factor * Double(rows[i, c]) }
    }
    let mean = sums.map { total > 0 ? Float($0 / total) : 0 }
    for i in 0..<rows.rows {
      for c in 0..<rows.columns { rows[i, c] -= mean[c] }
    }
    return mean
  }

  /// Random vectors of length 1, those of each run of `dimension` at right angles (Gram and Schmidt).
  private func orthonormal(_ generator: inout SeededGenerator) throws(DPQError) -> Matrix {
    let (bits, dimension) = (layout.bits, layout.dimension)
    let matrix = try Matrix(rows: bits, columns: dimension)
    for j in 0..<bits {
      var vector = (0..<dimension).map { _ in (0..<6).reduce(-3.0) { sum, _ in sum + generator.uniform() } }
      for other in (j / dimension * dimension)..<j {
        var product = 0.0
        for c in 0..<dimension { product += vector[c] * Double(matrix[other, c]) }
        for c in 0..<dimension { vector[c] -= product * Double(matrix[other, c]) }
      }
      let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for c in 0..<dimension { matrix[j, c] = length > 1e-9 ? Float(vector[c] / length) : (c == j % dimension ? 1 : 0) }
    }
    return matrix
  }
}
