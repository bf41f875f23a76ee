/// What a compression will produce, known before it starts: the layout and the exact bytes of the file.
public struct CompressionPlan: Sendable {
  /// How rows are coded.
  public let layout: CodeLayout
  /// The type codewords are stored in.
  public let codebookStorage: Codebook.Storage
  /// What the codebooks describe: rows, or unit rows and norms.
  public let metric: Metric
  /// Rows of the table.
  public let rows: Int
  /// Bytes of each part of the file: `header`, then the tensors in file order.
  public let sections: [(name: String, bytes: Int)]
  /// Bytes of the whole file.
  public let fileBytes: Int

  /// Bytes of the vocabulary tensors in ``fileBytes``.
  public var vocabularyBytes: Int {
    sections.reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 + $1.bytes : $0 }
  }
  /// 4 · rows · dimension.
  public var tableBytes: Int { 4 * rows * layout.dimension }
  /// ``tableBytes`` ÷ (``fileBytes`` − ``vocabularyBytes``).
  public var ratio: Double { Double(tableBytes) / Double(fileBytes - vocabularyBytes) }
  /// The papers' ratio: codes at log2 K bits and a float32 codebook, nothing else.
  public var paperRatio: Double { layout.paperRatio(rows: rows) }
  /// Bits stored for each row: its codes, and its norm code with the cosine metric.
  public var bitsPerRow: Int { layout.bitsPerRow + (metric == .cosine ? 8 : 0) }
  /// Bits of the file without its vocabulary for each value of the table.
  public var bitsPerDimension: Double { 32 / ratio }
}
