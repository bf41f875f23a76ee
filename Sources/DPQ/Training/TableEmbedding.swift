/// Rows that are fixed: a compressed table put in the place of the layer it was made from, to be judged by a task.
///
/// Nothing is trained; ``backward(_:)`` drops what comes.
public final class TableEmbedding: EmbeddingLayer {
  /// Bytes of codes, codebooks, norms and tier map, as stored.
  public let storedBytes: Int
  private let table: CompressedTable

  /// Looks rows up in `table`: they are decoded as they are asked for.
  public init(_ table: consuming CompressedTable) {
    storedBytes = table.sections.dropFirst().reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 : $0 + $1.bytes }
    self.table = table
  }

  /// Looks rows up in `model`, written to a file without a name.
  ///
  /// - Throws: `cannotCreateOutput` where the temporary folder cannot be written; `outOfMemory`.
  public convenience init(_ model: CompressedModel) throws(DPQError) {
    try self.init(model.openTemporarily())
  }

  /// Number of rows.
  public var rows: Int { table.rows }
  /// Values a row.
  public var dimension: Int { table.dimension }
  /// None.
  public var parameters: [Parameter] { [] }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// 0.
  public var regularization: Double { 0 }

  /// Writes the row of each id to `output`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    let ids = ids.indices.map { Int(ids[$0]) }
    try table.lookup(ids.span, into: &output)
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
