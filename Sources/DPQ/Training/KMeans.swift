/// Lloyd's algorithm in all groups of a table at once (product quantization: Jégou, Douze, Schmid 2011, section II-C),
/// accelerated by extrapolation.
///
/// Far from its end Lloyd's algorithm moves every codeword a little in the same direction sweep after sweep. So the mean
/// of a codeword's rows is only where the next step starts from: it goes on by a part of the way from the previous mean
/// (Nesterov's momentum, growing as t / (t + 3) to 0.9). On real tables 25 such sweeps end about where 100 plain ones do.
///
/// Nor do the first sweeps need all rows: far from its end a codeword finds its way by a quarter of them as well.
struct KMeans: ~Copyable {
  let layout: CodeLayout
  private let training: TrainingSet
  /// An even part of the rows, where it has enough of them for each codeword.
  private let sample: TrainingSet?
  private let seed: UInt64

  private var assigner: Assigner
  private let sweep: Sweep
  /// A shared codebook meets the padded last group only in its leading coordinates, so that group is swept on its own.
  private var tail: Tail?
  private struct Tail: ~Copyable {
    var assigner: Assigner
    let sweep: Sweep
    let columns: Range<Int>
  }

  /// Plain sweeps at the end of a run.
  static let closingSweeps = 2
  /// One row in so many is in the sample, which has no fewer rows a codeword than this.
  static let sampleStep = 4
  static let fewestSampleRows = 64

  /// The codewords as they stand, `[codebooks][codes][width]`.
  private(set) var codebook: [Float]
  /// Rows that all sweeps together went over.
  private(set) var rowsSwept = 0
  /// Σ w·‖x − c‖² of each codebook at the last sweep; of a sample, in proportion to all weights.
  private(set) var errors: [Double]
  /// Codewords that some row used at the last sweep.
  private(set) var codesInUse = 0
  /// Per codebook, the codewords with the least error so far and that error.
  private var best: [Float]
  private var bestErrors: [Double]
  /// Where the rows of each codeword had their mean at the last sweep.
  private var means: [Float]
  /// Sweeps done, and those of them in a row that accelerated.
  private var sweeps = 0
  private var accelerated = 0

  /// Σ w·‖x − c‖² of the best codewords of each codebook so far.
  var error: Double { bestErrors.reduce(0, +) }

  /// Prepares to improve `codebook` for the rows of `training`.
  init(
    _ training: TrainingSet, layout: CodeLayout, codebook: [Float], seed: UInt64, threads: Int
  ) throws(DPQError) {
    let split = layout.isShared && layout.groups * layout.width > layout.dimension
    let head = (layout.groups - 1) * layout.width
    let main =
      split
      ? try CodeLayout(dimension: head, groups: layout.groups - 1, codes: layout.codes, isShared: true) : layout
    let isLarge = training.rows.count / Self.sampleStep >= Self.fewestSampleRows * layout.codes
    let sample = isLarge ? try training.every(Self.sampleStep) : nil
    let assigner = try Assigner(layout: main, threads: threads)
    let sweep = try Sweep(layout: main)
    if split {
      let last = try CodeLayout(dimension: layout.dimension - head, groups: 1, codes: layout.codes)
      let lastAssigner = try Assigner(layout: last, threads: threads)
      let lastSweep = try Sweep(layout: last)
      self.tail = Tail(assigner: lastAssigner, sweep: lastSweep, columns: head..<layout.dimension)
    } else {
      self.tail = nil
    }
    self.layout = layout
    self.training = training
    self.sample = sample
    self.seed = seed
    self.assigner = assigner
    self.sweep = sweep
    self.codebook = codebook
    self.errors = [Double](repeating: .infinity, count: layout.codebooks)
    self.best = codebook
    self.means = codebook
    self.bestErrors = [Double](repeating: .infinity, count: layout.codebooks)
  }

  /// One sweep: assigns all rows, notes the error of the codewords as they stand, and moves each to the mean of its rows,
  /// or with `accelerating` beyond it. Codewords without rows are put beside those with the largest error.
  ///
  /// End with sweeps that do not accelerate: only they cannot raise the error. `sampled` ones go over the sample, if there
  /// is one, and their codewords are not remembered as the best.
  mutating func step(accelerating: Bool = false, sampled: Bool = false) throws(DPQError) {
    let set = sampled ? sample ?? training : training
    let isWhole = set.rows.count == training.rows.count
    let scale = isWhole || set.totalWeight == 0 ? 1 : training.totalWeight / set.totalWeight
    try assign(set)
    rowsSwept += set.rows.count
    let (count, codes) = (layout.codes * layout.width, layout.codes)
    accelerated = accelerating ? accelerated + 1 : 0
    let momentum = accelerating ? min(0.9, Float(accelerated) / Float(accelerated + 3)) : 0
    codesInUse = 0
    for b in 0..<layout.codebooks {
      var error = 0.0
      var used = 0
      for k in (b * codes)..<((b + 1) * codes) {
        error += sweep.errors[k]
        if sweep.weights[k] > 0 { used += 1 }
      }
      errors[b] = error * scale
      codesInUse += used
      if isWhole, error < bestErrors[b] {
        bestErrors[b] = error
        for i in (b * count)..<((b + 1) * count) { best[i] = codebook[i] }
      }
      moveToMeans(b, momentum: momentum)
      if used < codes { fillEmpty(b) }
    }
    sweeps += 1
  }

  /// Sweep `number`, from 1 on, of a run of `count` that starts anew: all but the last two accelerate, and the first third
  /// is sampled.
  mutating func step(_ number: Int, of count: Int) throws(DPQError) {
    let accelerating = number <= count - Self.closingSweeps
    try step(accelerating: accelerating, sampled: accelerating && number <= count / 3)
  }

  /// Goes on from other codewords; the best so far stay known.
  mutating func replaceCodebook(_ values: [Float]) {
    codebook = values
    means = values
    accelerated = 0
  }

  /// Takes back, in each codebook, what came after its best codewords.
  mutating func restoreBest() {
    let count = layout.codes * layout.width
    // The means taken after the last sweep are never worse than the codewords that were swept.
    for b in 0..<layout.codebooks where errors[b] > bestErrors[b] {
      for i in (b * count)..<((b + 1) * count) { codebook[i] = best[i] }
    }
  }

  private mutating func assign(_ set: TrainingSet) throws(DPQError) {
    let (rows, weights) = (set.rows, set.weightMemory)
    try assigner.load(codebook)
    guard var last = tail.take() else {
      try assigner.sweep(rows, weights: weights, into: sweep)
      return
    }
    try assigner.sweep(rows.columns(first: 0, count: last.columns.lowerBound), weights: weights, into: sweep)
    let (width, lastWidth) = (layout.width, last.columns.count)
    var leading: [Float] = []
    for k in 0..<layout.codes { leading += codebook[(k * width)..<(k * width + lastWidth)] }
    try last.assigner.load(leading)
    let columns = rows.columns(first: last.columns.lowerBound, count: lastWidth)
    try last.assigner.sweep(columns, weights: weights, into: last.sweep)
    for k in 0..<layout.codes {
      sweep.errors[k] += last.sweep.errors[k]
      // Scaled so that dividing by the weight of all rows of the codeword gives each coordinate its own mean.
      let (whole, part) = (sweep.weights[k], last.sweep.weights[k])
      for c in 0..<width {
        let sum = sweep.sums[k * width + c] + (c < lastWidth ? last.sweep.sums[k * lastWidth + c] : 0)
        let weight = c < lastWidth ? whole + part : whole
        let mean = weight > 0 ? sum / weight : Double(codebook[k * width + c])
        sweep.sums[k * width + c] = mean * (whole + part)
      }
      sweep.weights[k] = whole + part
    }
    tail = consume last
  }

  private mutating func moveToMeans(_ b: Int, momentum: Float) {
    let width = layout.width
    for k in (b * layout.codes)..<((b + 1) * layout.codes) where sweep.weights[k] > 0 {
      let factor = 1 / sweep.weights[k]
      for i in (k * width)..<((k + 1) * width) {
        let mean = Float(sweep.sums[i] * factor)
        codebook[i] = mean + momentum * (mean - means[i])
        means[i] = mean
      }
    }
  }

  /// Splits the codewords with the largest error in two, one for each codeword without rows.
  private mutating func fillEmpty(_ b: Int) {
    let codewords = (b * layout.codes)..<((b + 1) * layout.codes)
    let empty = codewords.filter { sweep.weights[$0] == 0 }
    let donors = codewords.filter { sweep.errors[$0] > 0 }.sorted {
      (sweep.errors[$0], $1) > (sweep.errors[$1], $0)
    }
    let first = layout.isShared ? 0 : b * layout.width
    let width = min(layout.width, layout.dimension - first)
    var generator = SeededGenerator(seed: seed, stream: UInt64(sweeps) << 32 | UInt64(b) | 1 << 63)
    for (k, donor) in zip(empty, donors) {
      // Halves about 0.8 standard deviations apart from the mean, along a random direction of any number of coordinates.
      let deviation = (sweep.errors[donor] / sweep.weights[donor] / Double(width)).squareRoot()
      let spread = 2.8 * deviation / Double(width).squareRoot()
      for c in 0..<layout.width {
        let (target, source) = (k * layout.width + c, donor * layout.width + c)
        let shift = c < width ? Float(spread * (generator.uniform() - 0.5)) : 0
        codebook[target] = means[source] + shift
        codebook[source] = means[source] - shift
        means[target] = codebook[target]
        means[source] = codebook[source]
      }
    }
  }
}

extension KMeans {
  /// First codewords: rows chosen one after another with a chance proportional to their weighted squared distance from
  /// those chosen before (k-means++: Arthur, Vassilvitskii 2007), in each group, among an even sample of the rows.
  static func initialCodebook(
    _ training: TrainingSet, layout: CodeLayout, seed: UInt64
  ) throws(DPQError) -> [Float] {
    let rows = training.rows
    var generator = SeededGenerator(seed: seed, stream: 1)
    // Enough rows to choose from; bounded because every choice looks at all of them.
    let wanted = max(2 * layout.codes, min(16 * layout.codes, (1 << 28) / (layout.codes * layout.dimension)))
    let ids = rows.count <= wanted ? Array(0..<rows.count) : generator.evenSample(wanted, below: rows.count)
    let width = layout.width
    let columns: Columns
    if layout.isShared {
      // One codebook for all groups: each sampled row stands in with one of its whole groups.
      let whole = max(1, layout.dimension / width)
      columns = try Columns(
        rows.gather(ids, columns: ids.map { _ in generator.index(below: whole) * width }, width: width))
    } else {
      columns = try Columns(rows.gather(ids))
    }
    let distances = try AlignedBuffer<Float>(count: ids.count)
    let scratch = try AlignedBuffer<Float>(count: ids.count)
    let importance = training.weights.map { weights in ids.map { weights[$0] } }
    var codebook = [Float](repeating: 0, count: layout.codebookCount)
    for b in 0..<layout.codebooks {
      var generator = SeededGenerator(seed: seed, stream: 2 + UInt64(b))
      for i in 0..<ids.count { distances[i] = .infinity }
      for k in 0..<layout.codes {
        let first = b * width
        let valid = min(width, columns.dimension - first)
        let row = draw(distances, importance, count: ids.count, first: k == 0, &generator)
        for c in 0..<valid { codebook[(b * layout.codes + k) * width + c] = columns[row, first + c] }
        columns.lower(distances, scratch: scratch, towards: row, first: first, width: valid)
      }
    }
    return codebook
  }

  private static func draw(
    _ distances: borrowing AlignedBuffer<Float>, _ weights: [Float]?, count: Int, first: Bool,
    _ generator: inout SeededGenerator
  ) -> Int {
    var total = 0.0
    for i in 0..<count { total += Double((first ? 1 : distances[i]) * (weights?[i] ?? 1)) }
    guard total > 0 else { return generator.index(below: count) }
    var left = generator.uniform() * total
    for i in 0..<count {
      left -= Double((first ? 1 : distances[i]) * (weights?[i] ?? 1))
      if left < 0 { return i }
    }
    return count - 1
  }
}
