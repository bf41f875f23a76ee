import DPQ

/// The text classifier of the DPQ paper (Chen, Li, Sun 2020, section 4): the mean of the word embeddings, batch
/// normalisation, ReLU, a dense layer, batch normalisation, ReLU, a dense layer to the classes; dropout before the dense
/// layers, where it is asked for.
public final class TextClassifier {
  /// Turns words into vectors. Outside training another layer of the same shape may take its place.
  public var embedding: any EmbeddingLayer
  /// What follows the mean.
  public let layers: [any Layer]
  /// Number of classes.
  public let classes: Int

  private let dropouts: [Dropout]
  private var pooling: MeanPooling
  private var loss: SoftmaxCrossEntropy
  /// Rows of the words of a batch, and the gradient by them; they grow with the largest batch.
  private var rows: Matrix
  private var rowGradients: Matrix
  /// Texts looked at together outside training.
  private static let evaluationBatch = 1024

  /// Makes a model with fresh weights behind the embedding.
  ///
  /// - Parameters:
  ///   - hidden: Width of the dense layer.
  ///   - keep: Probability that a value passes dropout.
  ///   - threads: 0 for all processors. Results do not depend on it.
  /// - Throws: `outOfMemory`.
  public init(
    embedding: any EmbeddingLayer, classes: Int, hidden: Int = 300, keep: Float = 1, seed: UInt64, threads: Int = 0
  ) throws(DPQError) {
    self.embedding = embedding
    self.classes = classes
    let width = embedding.dimension
    // Glorot, Bengio 2010.
    func scale(_ inputs: Int, _ outputs: Int) -> Float { (6 / Float(inputs + outputs)).squareRoot() }
    dropouts = (1...2).map { Dropout(keep: keep, seed: seed &* 3 &+ $0, threads: threads) }
    layers = [
      try BatchNorm(name: "norm1", columns: width), ReLU(), dropouts[0],
      try Linear(
        name: "dense1", inputs: width, outputs: hidden, scale: scale(width, hidden), seed: seed, stream: 1,
        threads: threads),
      try BatchNorm(name: "norm2", columns: hidden), ReLU(), dropouts[1],
      try Linear(
        name: "dense2", inputs: hidden, outputs: classes, scale: scale(hidden, classes), seed: seed, stream: 2,
        threads: threads),
    ]
    pooling = MeanPooling(rows: embedding.rows, threads: threads)
    loss = SoftmaxCrossEntropy(threads: threads)
    rows = try Matrix(rows: 0, columns: width)
    rowGradients = try Matrix(rows: 0, columns: width)
  }

  /// What the optimiser moves.
  public var parameters: [Parameter] { embedding.parameters + layers.flatMap(\.parameters) }
  /// Everything else that a checkpoint must hold, by name.
  public var buffers: [(name: String, value: Matrix)] { embedding.buffers + layers.flatMap(\.buffers) }
  /// The values of ``parameters`` and ``buffers`` of what follows the embedding, by name.
  public var headTensors: [(name: String, value: Matrix)] {
    layers.flatMap { layer in layer.parameters.map { ($0.name, $0.value) } + layer.buffers }
  }

  /// Training batches so far; a resumed run sets it, for dropout to go on as it would have.
  public var batches: UInt64 {
    get { dropouts[0].batches }
    set { for dropout in dropouts { dropout.batches = newValue } }
  }

  /// Sets the gradients of all parameters by the mean cross-entropy of the texts `indices`, which is returned, in nats.
  ///
  /// The embedding layer sees each word of the batch once: what it derives from its batch (response statistics, the
  /// codebook loss) counts words, not their occurrences.
  public func train(_ texts: LabelledTexts, _ indices: some Collection<Int>) throws(DPQError) -> Double {
    pooling.load(texts, indices)
    let count = pooling.words.count
    try reserve(count)
    let (rows, rowGradients) = (rows, rowGradients)
    var target = rows.mutableValues(first: count)
    try embedding.forward(pooling.words.span, into: &target, training: true)
    var values = try pooling.forward(rows)
    for layer in layers { values = try layer.forward(values, training: true) }
    let labels = indices.map { texts.labels[$0] }
    let total = try loss(values, labels: labels.span, gradientScale: 1 / Float(labels.count))
    for layer in layers.reversed() { values = try layer.backward(values) }
    try pooling.backward(values, into: rowGradients)
    try embedding.backward(rowGradients.values(first: count))
    return total / Double(labels.count)
  }

  /// Share of `texts` that are given their class, and their mean cross-entropy in nats, as the model stands.
  public func evaluate(_ texts: LabelledTexts) throws(DPQError) -> (accuracy: Double, loss: Double) {
    var (right, total) = (0, 0.0)
    for first in stride(from: 0, to: texts.count, by: Self.evaluationBatch) {
      let indices = first..<min(texts.count, first + Self.evaluationBatch)
      let logits = try logits(texts, indices)
      for (row, index) in indices.enumerated() {
        var best = 0
        for c in 1..<classes where logits[row, c] > logits[row, best] { best = c }
        if best == Int(texts.labels[index]) { right += 1 }
      }
      total += try loss(logits, labels: texts.labels.span.extracting(indices))
    }
    return (Double(right) / Double(max(texts.count, 1)), total / Double(max(texts.count, 1)))
  }

  /// The logits of the texts `indices`, `[texts × classes]`, as the model stands; valid until the next call.
  public func logits(_ texts: LabelledTexts, _ indices: some Collection<Int>) throws(DPQError) -> Matrix {
    pooling.load(texts, indices)
    let count = pooling.words.count
    try reserve(count)
    let rows = rows
    var target = rows.mutableValues(first: count)
    try embedding.forward(pooling.words.span, into: &target, training: false)
    var values = try pooling.forward(rows)
    for layer in layers { values = try layer.forward(values, training: false) }
    return values
  }

  /// Makes room for the rows of `count` words.
  private func reserve(_ count: Int) throws(DPQError) {
    guard rows.rows < count else { return }
    // A quarter more, so that slightly larger batches do not each allocate.
    let capacity = min(count + count / 4, embedding.rows)
    rows = try Matrix(rows: capacity, columns: embedding.dimension)
    rowGradients = try Matrix(rows: capacity, columns: embedding.dimension)
  }
}
