/// A compressed table in memory: codes, codewords and words, ready to be written as a `.dpq` file.
public struct CompressedModel: Sendable {
  /// Quantised lengths of rows, kept with the cosine metric.
  public struct Norms: Sendable, Equatable {
    /// 256 lengths, ascending.
    public let codebook: [Float]
    /// The entry of each row.
    public let codes: [UInt8]
  }

  /// How rows are coded.
  public let layout: CodeLayout
  /// What the codebooks describe: rows, or unit rows and norms.
  public let metric: Metric
  /// How the codes were chosen.
  public let assignment: Assignment
  /// Number of rows.
  public let rows: Int
  /// Packed codes, `[rows][layout.rowBytes]`, least significant bit first.
  public let codes: [UInt8]
  /// The codewords, rounded to the type they are stored in.
  public let codebook: Codebook
  /// Lengths of the rows; `nil` unless ``metric`` is cosine.
  public let norms: Norms?
  /// One word a row, if the table has words.
  public let vocabulary: Vocabulary?
  /// JSON of what decided the result: method, options, seed, version. No paths, times or thread counts.
  public let recipe: String

  init(
    assignment: Assignment = .nearest, rows: Int, codes: [UInt8], codebook: Codebook, norms: Norms?,
    vocabulary: Vocabulary?, recipe: String
  ) {
    self.layout = codebook.layout
    self.metric = norms == nil ? .l2 : .cosine
    self.assignment = assignment
    self.rows = rows
    self.codes = codes
    self.codebook = codebook
    self.norms = norms
    self.vocabulary = vocabulary
    self.recipe = recipe
  }

  var shape: FileShape {
    FileShape(
      layout: layout, storage: codebook.storage, metric: metric, assignment: assignment, rows: rows,
      vocabularyBytes: vocabulary?.bytes.count, recipe: recipe)
  }

  /// The layout and bytes of the file this model makes.
  public var plan: CompressionPlan { shape.plan }
  /// Bytes of each part of the file: `header`, then the tensors in file order.
  public var sections: [(name: String, bytes: Int)] { plan.sections }
  /// Bytes of the whole file.
  public var fileBytes: Int { plan.fileBytes }
}
