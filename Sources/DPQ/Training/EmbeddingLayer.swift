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

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  ///
  /// With `training` the batch is remembered for ``backward(_:)`` and statistics are those of the batch; without, the
  /// rows are bit for bit those of the exported table.
  ///
  /// - Throws: `unknownRow` for an id outside `0..<rows`, `invalidArgument` for an output of another length.
  func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError)

  /// Sets the gradients of ``parameters`` from the gradient of the loss by the last training output,
  /// `[ids.count × dimension]`.
  func backward(_ upstream: Span<Float>) throws(DPQError)

  /// What the layer itself adds to the loss of the last training batch; its gradient is part of ``backward(_:)``.
  var regularization: Double { get }

  /// The table as a compressed model with the words of `vocabulary`, or `nil` where the layer has no compressed form.
  func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel?
}
