/// A baseline: a table that is the product of two thin ones, `[rows][rank]` and `[rank][dimension]`.
public final class LowRankEmbedding: EmbeddingLayer {
  /// The coordinates of each row, `[rows][rank]`.
  public let coordinates: Parameter
  /// What the coordinates multiply, `[rank][dimension]`.
  public let basis: Parameter
  private var batch: UniqueRows
  private var gathered: Matrix
  private var product: Matrix
  private let threads: Int

  /// Makes the factors so that their product has the variance of numbers drawn evenly from [−scale, scale).
  ///
  /// - Throws: `invalidArgument` for no rows, no columns, or a rank outside 1…dimension; `outOfMemory`.
  public init(
    rows: Int, dimension: Int, rank: Int, scale: Float = 0.05, seed: UInt64 = 0, name: String = "embedding",
    threads: Int = 0
  ) throws(DPQError) {
    try EmbeddingStream.checkShape(rows: rows, dimension: dimension)
    guard (1...dimension).contains(rank) else {
      throw DPQError(.invalidArgument, "a rank of \(rank) is not possible: choose 1 to \(dimension)")
    }
    let (thin, wide) = (try Matrix(rows: rows, columns: rank), try Matrix(rows: rank, columns: dimension))
    thin.fillUniformly(scale: scale, seed: seed, stream: EmbeddingStream.query)
    wide.fillUniformly(scale: (3 / Float(rank)).squareRoot(), seed: seed, stream: EmbeddingStream.values)
    coordinates = try Parameter(name: "\(name).coordinates", value: thin, touchedCapacity: 0)
    basis = try Parameter(name: "\(name).basis", value: wide)
    batch = UniqueRows(rows: rows)
    gathered = try Matrix(rows: 0, columns: rank)
    product = try Matrix(rows: 0, columns: dimension)
    self.threads = threads
  }

  /// The largest rank whose factors take no more than `bytes`, at least 1.
  public static func rank(rows: Int, dimension: Int, bytes: Int) -> Int {
    max(1, min(dimension, bytes / (4 * (rows + dimension))))
  }

  /// Number of rows.
  public var rows: Int { coordinates.value.rows }
  /// Values a row.
  public var dimension: Int { basis.value.columns }
  /// Both factors.
  public var parameters: [Parameter] { [coordinates, basis] }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// Both factors.
  public var storedBytes: Int { 4 * (coordinates.value.count + basis.value.count) }
  /// 0.
  public var regularization: Double { 0 }

  /// Writes the product of each id's coordinates and the basis to `output`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    let coordinatesOfBatch = try gather(ids, training: training)
    if training { batch.load(ids) }
    if ids.count == 0 { return }
    if product.rows != ids.count { product = try Matrix(rows: ids.count, columns: dimension) }
    try product.all.setProduct(.plain(coordinatesOfBatch.all), .plain(basis.value.all), threads: threads)
    product.write(to: &output)
  }

  /// The coordinates of a batch; those of a training batch are kept for the way back.
  private func gather(_ ids: Span<Int32>, training: Bool) throws(DPQError) -> Matrix {
    let target = try Matrix(rows: ids.count, columns: coordinates.value.columns)
    var span = target.mutableValues
    try coordinates.value.gather(ids, into: &span, threads: threads)
    if training { gathered = target }
    return target
  }

  /// Sets the gradients of both factors.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    let count = batch.places.count
    try checkUpstream(upstream.count, batch: count)
    if count == 0 {
      try coordinates.prepareGradient(of: [])
      return basis.gradient.clear(rows: 0..<basis.gradient.rows)
    }
    let above = try Matrix(rows: count, columns: dimension)
    above.read(upstream)
    let thin = try Matrix(rows: count, columns: coordinates.value.columns)
    try thin.all.setProduct(.plain(above.all), .transposed(basis.value.all), threads: threads)
    try basis.gradient.all.setProduct(.transposed(gathered.all), .plain(above.all), threads: threads)
    try coordinates.scatter(thin.values, to: batch, threads: threads)
  }

  /// `nil`: factors are no codes.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? { nil }
}
