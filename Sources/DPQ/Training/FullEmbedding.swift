/// A trainable table kept as it is: one row of float32 values an id.
public final class FullEmbedding: EmbeddingLayer {
  /// The table.
  public let table: Parameter
  private var batch: UniqueRows
  private let threads: Int

  /// Makes a table of numbers drawn evenly from [−scale, scale).
  ///
  /// - Parameters:
  ///   - name: What checkpoints call the table.
  ///   - threads: 0 for all processors.
  /// - Throws: `invalidArgument` for no rows or no columns; `outOfMemory`.
  public convenience init(
    rows: Int, dimension: Int, scale: Float = 0.05, seed: UInt64 = 0, name: String = "embedding", threads: Int = 0
  ) throws(DPQError) {
    let table = try Matrix(rows: rows, columns: dimension)
    table.fillUniformly(scale: scale, seed: seed, stream: EmbeddingStream.query)
    try self.init(table: table, name: name, threads: threads)
  }

  /// Makes a layer that trains `table`.
  ///
  /// - Throws: `invalidArgument` for no rows or no columns; `outOfMemory`.
  public init(table: Matrix, name: String = "embedding", threads: Int = 0) throws(DPQError) {
    try EmbeddingStream.checkShape(rows: table.rows, dimension: table.columns)
    self.table = try Parameter(name: "\(name).table", value: table, touchedCapacity: 0)
    self.batch = UniqueRows(rows: table.rows)
    self.threads = threads
  }

  /// Number of rows.
  public var rows: Int { table.value.rows }
  /// Values a row.
  public var dimension: Int { table.value.columns }
  /// What the optimiser moves.
  public var parameters: [Parameter] { [table] }
  /// Everything else that a checkpoint must hold, by name.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// What the layer itself adds to the loss of the last training batch.
  public var regularization: Double { 0 }
  /// Bytes that inference needs of the table.
  public var storedBytes: Int { 4 * table.value.count }

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    if training { batch.load(ids) }
    try table.value.gather(ids, into: &output, threads: threads)
  }

  /// Sets the gradient of the table from that by the last training output.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    try checkUpstream(upstream.count, batch: batch.places.count)
    try table.scatter(upstream, to: batch, threads: threads)
  }

  /// `nil`: a full table has no compressed form.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? { nil }
}
