import DPQ

/// Word vectors learned elsewhere, which an embedding starts from.
public struct PretrainedTable: Sendable {
  /// The vectors, with a word for each.
  public let table: EmbeddingTable

  /// Takes a table with words.
  ///
  /// - Throws: `invalidArgument` for a table without words.
  public init(_ table: EmbeddingTable) throws(DPQError) {
    guard table.vocabulary != nil else {
      throw DPQError(.invalidArgument, "the pre-trained table has no words to match")
    }
    self.table = table
  }

  /// A row for each word of `vocabulary`, and how many of them the table had.
  ///
  /// Words that it has not start in [−x, x), x such that their values are as large as those of the others in the mean of
  /// squares.
  ///
  /// - Throws: `invalidArgument` where no word is in the table; `outOfMemory`.
  public func rows(
    for vocabulary: Vocabulary, seed: UInt64
  ) throws(DPQError) -> (table: EmbeddingTable, found: Int) {
    let dimension = table.dimension
    let places = (0..<vocabulary.count).map { table.vocabulary?.id(of: vocabulary[$0]) }
    let found = places.count { $0 != nil }
    guard found > 0 else {
      throw DPQError(
        .invalidArgument, "no word of the data is in the pre-trained table: its words are lower-cased here")
    }
    let values = try Matrix(rows: vocabulary.count, columns: dimension)
    var squares = 0.0
    for (row, place) in places.enumerated() {
      guard let place else { continue }
      for (column, value) in try table.row(place).enumerated() {
        values[row, column] = value
        squares += Double(value) * Double(value)
      }
    }
    let scale = (3 * squares / Double(found * dimension)).squareRoot()
    for (row, place) in places.enumerated() where place == nil {
      // A stream for each row: what a word starts from does not depend on which others were found.
      var generator = SeededGenerator(seed: seed, stream: Self.unknownStream + UInt64(row))
      for column in 0..<dimension { values[row, column] = Float(scale * (2 * generator.uniform() - 1)) }
    }
    let aligned = try EmbeddingTable(
      rows: vocabulary.count, dimension: dimension, values: values.values, vocabulary: vocabulary)
    return (aligned, found)
  }

  private static let unknownStream: UInt64 = 3 << 52
}
