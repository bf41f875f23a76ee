/// What codes further rows as a trained layer would: its keys, and how it normalises responses to them
/// (`docs/format.md`, "Encoder state").
///
/// The rows are queries of the layer, not rows of the table it stands for.
public struct ResponseEncoder: Sendable, Equatable {
  /// How far a key answers a part of a query.
  public enum Response: String, Sendable {
    /// Their product (SX).
    case product
    /// Minus the square of their distance (VQ).
    case distance
  }

  /// How rows are coded.
  public let layout: CodeLayout
  /// What is largest for the key chosen.
  public let response: Response
  /// `[codebooks][codes][width]`.
  public let keys: [Float]
  /// Mean and variance of the responses to each code, `[2][codes]`; empty where responses are taken as they are.
  public let statistics: [Float]

  /// What is added to variances, by the format.
  public static let epsilon: Float = 1e-3

  /// Makes the state of a layer.
  ///
  /// - Throws: `invalidArgument` where keys or statistics do not fit the layout, are not finite, or a variance is
  ///   below 0.
  public init(
    layout: CodeLayout, response: Response, keys: [Float], statistics: [Float]
  ) throws(DPQError) {
    guard keys.count == layout.codebookCount, statistics.isEmpty || statistics.count == 2 * layout.codes else {
      throw DPQError(.invalidArgument, "keys or statistics of responses do not fit the codes")
    }
    guard keys.allSatisfy(\.isFinite), statistics.allSatisfy(\.isFinite),
      statistics.dropFirst(layout.codes).allSatisfy({ $0 >= 0 })
    else { throw DPQError(.invalidArgument, "keys or statistics of responses are out of range") }
    self.layout = layout
    self.response = response
    self.keys = keys
    self.statistics = statistics
  }

  /// Packed codes of all rows of `table`, coded block after block; `report` gets the share done.
  func encode(
    _ table: EmbeddingTable, threads: Int, report: (Double) throws(DPQError) -> Void
  ) throws(DPQError) -> [UInt8] {
    var options = DPQEmbedding.Options(response == .product ? .sx : .vq, layout)
    options.normalizesResponse = !statistics.isEmpty
    options.epsilon = Self.epsilon
    options.threads = threads
    let keys = try Matrix(self.keys, rows: layout.codebooks * layout.codes)
    let running = try Matrix(statistics.isEmpty ? [Float](repeating: 0, count: 2 * layout.codes) : statistics, rows: 2)
    var batch = try LayerBatch(options)
    var packed: [UInt8] = []
    packed.reserveCapacity(table.rows * layout.rowBytes)
    let block = Rows.blockRows(layout.dimension)
    for first in stride(from: 0, to: table.rows, by: block) {
      let count = min(block, table.rows - first)
      let queries = try Matrix(table.slice(first..<(first + count)), threads: threads)
      let ids = (0..<count).map { Int32($0) }
      try batch.load(queries, ids.span)
      try batch.assign(keys: keys, statistics: running)
      packed += try batch.packedCodes()
      try report(Double(first + count) / Double(table.rows))
    }
    return packed
  }
}
