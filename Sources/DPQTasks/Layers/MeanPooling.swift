import DPQ

/// The mean of the rows of each text's words.
///
/// The words of a batch are looked up once each, whatever their number: the texts are a sparse matrix times their rows.
struct MeanPooling {
  private var unique: UniqueRows
  private var pooling = SparseMatrix(columns: 0)
  private let output = Workspace()
  private let threads: Int

  /// For a table of `rows` rows.
  init(rows: Int, threads: Int) {
    unique = UniqueRows(rows: rows)
    self.threads = threads
  }

  /// The words of the batch, ascending and each once.
  var words: [Int32] { unique.ids }

  /// Takes the texts `indices` as the batch.
  mutating func load(_ texts: LabelledTexts, _ indices: some Collection<Int>) {
    var tokens: [Int32] = []
    for index in indices { tokens.append(contentsOf: texts.words[texts.range(index)]) }
    unique.load(tokens.span)
    pooling = SparseMatrix(columns: unique.ids.count)
    var first = 0
    for index in indices {
      let count = texts.range(index).count
      pooling.appendRow(unique.places[first..<(first + count)], weight: 1 / Float(max(count, 1)))
      first += count
    }
  }

  /// The mean of each text, `[texts × dimension]`, from the rows of ``words``, the first rows of `rows`; zeros for a
  /// text without words. Valid until the next call.
  func forward(_ rows: Matrix) throws(DPQError) -> Matrix {
    let result = try output.matrix(rows: pooling.rows, columns: rows.columns)
    try pooling.multiply(rows, into: result, threads: threads)
    return result
  }

  /// Sets the first rows of `gradient` to the gradient by the rows of ``words``.
  func backward(_ upstream: Matrix, into gradient: Matrix) throws(DPQError) {
    try pooling.transposed().multiply(upstream, into: gradient, threads: threads)
  }
}
