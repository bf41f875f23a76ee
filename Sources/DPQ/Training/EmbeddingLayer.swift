/// A trainable table of rows: what a model uses to turn ids into vectors.
///
/// A training step calls ``forward(_:into:training:)``, the rest of the model, ``backward(_:)``, and an optimiser on
/// ``parameters``. The full table, the DPQ layers and the baselines stand behind this one protocol.
public protocol EmbeddingLayer: AnyObject {
  /// Number of rows.
  var rows: Int { get }
  /// Values a row.
  var dimension: Int { get }
  /// What the optimiser moves.
  var parameters: [Parameter] { get }
  /// Everything else that a checkpoint must hold, by name: running statistics, counters.
  var buffers: [(name: String, value: Matrix)] { get }
  /// Bytes that inference needs of the table once training is over: codes, codebooks, scales; words not counted.
  var storedBytes: Int { get }

  /// Tells the layer that this share of training, 0…1, is done, before each batch: some do different things at different
  /// times.
  func advance(to progress: Double) throws(DPQError)

  /// Tells the layer that others wrote its parameters and buffers: a checkpoint was read, or better values taken back.
  func reload()

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  ///
  /// With `training` the batch is remembered for ``backward(_:)`` and statistics are those of the batch; without, the
  /// rows are bit for bit those of the exported table.
  ///
  /// - Throws: `unknownRow` for an id outside `0..<rows`, `invalidArgument` for an output of another length.
  func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError)

  /// Sets the gradients of ``parameters`` from the gradient of the loss by the last training output,
  /// `[ids.count × dimension]`.
  ///
  /// - Throws: `invalidArgument` for a gradient of another length.
  func backward(_ upstream: Span<Float>) throws(DPQError)

  /// What the layer itself adds to the loss of the last training batch; its gradient is part of ``backward(_:)``.
  var regularization: Double { get }

  /// The table as a compressed model with the words of `vocabulary`, or `nil` where the layer has no compressed form.
  ///
  /// - Throws: `invalidArgument` where the words are not as many as the rows, or a value is not finite.
  func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel?
}

extension EmbeddingLayer {
  /// Nothing: most layers do the same thing all the time.
  public func advance(to progress: Double) throws(DPQError) {}

  /// Nothing: most layers keep nothing that is made of parameters.
  public func reload() {}

  /// Bytes of the table as float32 over ``storedBytes``.
  public var storedRatio: Double { Double(4 * rows * dimension) / Double(storedBytes) }

  /// Checks the ids of a batch and the length of its output.
  func check(_ ids: Span<Int32>, _ outputCount: Int) throws(DPQError) {
    guard outputCount == ids.count * dimension else {
      throw DPQError(
        .invalidArgument, "\(ids.count) rows of \(dimension) values do not fit an output of \(outputCount)")
    }
    for i in ids.indices where ids[i] < 0 || ids[i] >= rows {
      throw DPQError(.unknownRow, "id \(ids[i]) is outside the table of \(rows) rows")
    }
  }

  /// Checks the length of the gradient that comes from above.
  func checkUpstream(_ count: Int, batch: Int) throws(DPQError) {
    guard count == batch * dimension else {
      throw DPQError(
        .invalidArgument,
        "the last training batch had \(batch) rows of \(dimension): its gradient cannot have \(count) values")
    }
  }
}

/// What the embedding layers share.
enum EmbeddingStream {
  /// Streams of a layer's seed; those of models that hold it should be others.
  static let query: UInt64 = 1 << 50
  static let keys: UInt64 = 2 << 50
  static let values: UInt64 = 3 << 50
  static let restarts: UInt64 = 4 << 50

  static func checkShape(rows: Int, dimension: Int) throws(DPQError) {
    guard rows >= 1, rows <= Int(Int32.max), dimension >= 1 else {
      throw DPQError(.invalidArgument, "there is no embedding of \(rows) rows of \(dimension) values")
    }
  }
}
