/// How far a table is from the one it was made of.
public struct Evaluation: Sendable {
  /// A row and its own error.
  public struct RowError: Sendable, Equatable {
    /// The row.
    public let id: Int
    /// ‖x − x̂‖² / ‖x‖²; 0 for a row of zeros rebuilt exactly, infinite for one that is not.
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
  /// Share of a row's ten nearest (cosine, exact, itself left out) that are kept, over the sampled rows.
  public let recallAt10: Double
  /// Rows with the largest relative error, worst first, at most ten.
  public let worstRows: [RowError]
}
