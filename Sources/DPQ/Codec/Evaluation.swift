/// How far a compressed table is from the one it was made of.
public struct Evaluation: Sendable {
  /// A row and its own error.
  public struct RowError: Sendable, Equatable {
    /// The row.
    public let id: Int
    /// ‖x − x̂‖² / ‖x‖²; for a row of zeros 0 if it is rebuilt exactly, else infinite.
    public let relativeError: Double
  }

  /// Mean squared error per value.
  public let mse: Double
  /// ‖X − X̂‖² / ‖X‖².
  public let relativeError: Double
  /// Mean cosine between rows and their reconstructions; rows of zeros are left out.
  public let cosineMean: Double
  /// The cosine that one row in a hundred stays below.
  public let cosineP1: Double
  /// Share of a row's ten nearest (cosine, exact, itself left out) that are still among the ten nearest of its
  /// reconstruction among the reconstructions, over the sampled rows.
  public let recallAt10: Double
  /// Rows with the largest relative error, worst first, at most ten.
  public let worstRows: [RowError]

  /// Measures `model`, compressed or plain, against the table it stands for.
  ///
  /// Rows are read in blocks; memory beside the tables is a few dozen megabytes and one float a row. Time is
  /// O(samples · rows · dimension).
  ///
  /// - Parameters:
  ///   - samples: Rows whose nearest are compared, drawn evenly by `seed`; all rows where there are fewer.
  ///   - threads: 0 for all processors. The figures are the same at any number.
  /// - Throws: `invalidArgument` where the shapes differ or `samples` is less than 1; `malformedInput` without rows.
  public static func measure<Source: RowSource & ~Copyable>(
    _ model: borrowing Source, against table: EmbeddingTable, samples: Int = 1000, seed: UInt64 = 1, threads: Int = 0
  ) throws(DPQError) -> Evaluation {
    guard model.rows == table.rows, model.dimension == table.dimension else {
      throw DPQError(
        .invalidArgument,
        "\(model.rows) × \(model.dimension) values cannot be measured against \(table.rows) × \(table.dimension): "
          + "give the table they were made of")
    }
    guard samples >= 1 else { throw DPQError(.invalidArgument, "\(samples) sampled rows are not possible") }
    guard table.rows > 0 else { throw DPQError(.malformedInput, "the table has no rows") }

    let original = Rows(table)
    let block = min(table.rows, Rows.blockRows(table.dimension))
    let comparison = try Rows.Comparison(capacity: block)
    var sums = Reconstruction()
    sums.values = table.rows * table.dimension
    var cosines: [Float] = []
    var worst = BestRows(count: 10)
    for first in stride(from: 0, to: table.rows, by: block) {
      let count = min(block, table.rows - first)
      let part = original.slice(first: first, count: count)
      try part.compare(Rows(model, first: first, count: count, threads: threads), into: comparison, threads: threads)
      for i in 0..<count {
        let error = sums.add(comparison, i)
        if let cosine = error.cosine { cosines.append(Float(cosine)) }
        worst.offer(id: first + i, score: error.relative)
      }
    }
    cosines.sort()
    return Evaluation(
      mse: sums.mse, relativeError: sums.relativeError, cosineMean: sums.cosineMean,
      cosineP1: cosines.isEmpty ? 1 : Double(cosines[cosines.count / 100]),
      recallAt10: try recall(model, table, samples: samples, seed: seed, threads: threads),
      worstRows: worst.rows.map { RowError(id: $0.id, relativeError: $0.score) })
  }

  private static func recall<Source: RowSource & ~Copyable>(
    _ model: borrowing Source, _ table: EmbeddingTable, samples: Int, seed: UInt64, threads: Int
  ) throws(DPQError) -> Double {
    let count = min(10, table.rows - 1)
    guard count > 0 else { return 1 }
    var generator = SeededGenerator(seed: seed, stream: 1 << 44)
    let ids = generator.evenSample(min(samples, table.rows), below: table.rows)
    let kept = try NearestRows.find(ids, in: model, count: count, threads: threads)
    let exact = try NearestRows.find(ids, in: table, count: count, threads: threads)
    let hits = zip(exact, kept).reduce(0) { $0 + Set($1.0).intersection($1.1).count }
    return Double(hits) / Double(count * ids.count)
  }
}
