/// A row found by a search.
public struct Neighbor: Sendable, Equatable {
  /// The row.
  public let id: Int
  /// Its ``Similarity`` to the query: a cosine, a dot product, or a squared distance.
  public let score: Float

  /// Makes a neighbour from its parts.
  public init(id: Int, score: Float) {
    self.id = id
    self.score = score
  }
}
