/// Rows that are fixed: a compressed table put in the place of the layer it was made from, to be judged by a task.
///
/// Nothing is trained; ``backward(_:)`` drops what comes.
public final class TableEmbedding: EmbeddingLayer {
  /// The rows, decoded.
  public let table: Matrix
  /// Bytes of codes, codebooks, norms and tier map, as stored.
  public let storedBytes: Int
  private let threads: Int

  /// Decodes all rows of `table`.
  ///
  /// - Throws: `outOfMemory`, and whatever reading the table throws.
  public init(_ table: borrowing CompressedTable, threads: Int = 0) throws(DPQError) {
    let rows = try Matrix(rows: table.rows, columns: table.dimension)
    var span = rows.mutableValues
    try table.read(first: 0, count: table.rows, into: &span, threads: threads)
    self.table = rows
    self.threads = threads
    storedBytes = table.sections.dropFirst().reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 : $0 + $1.bytes }
  }

  /// Decodes all rows of `model`.
  ///
  /// - Throws: `cannotCreateOutput` where the temporary folder cannot be written; `outOfMemory`.
  public convenience init(_ model: CompressedModel, threads: Int = 0) throws(DPQError) {
    try self.init(model.openTemporarily(), threads: threads)
  }

  /// Number of rows.
  public var rows: Int { table.rows }
  /// Values a row.
  public var dimension: Int { table.columns }
  /// None.
  public var parameters: [Parameter] { [] }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// 0.
  public var regularization: Double { 0 }

  /// Writes the row of each id to `output`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    try table.gather(ids, into: &output, threads: threads)
  }

  /// Does nothing.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {}

  /// `nil`: the model it came from is the compressed form.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? { nil }
}

extension EmbeddingTable {
  /// A copy of the rows of `matrix`.
  ///
  /// - Throws: `invalidArgument` where the words are not as many as the rows; `outOfMemory`.
  public init(_ matrix: Matrix, vocabulary: Vocabulary? = nil) throws(DPQError) {
    try self.init(rows: matrix.rows, dimension: matrix.columns, values: matrix.values, vocabulary: vocabulary)
  }
}
