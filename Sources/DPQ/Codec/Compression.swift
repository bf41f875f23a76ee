/// A finished compression: the model and how well it did.
public struct Compression: Sendable {
  /// What is written to a file.
  public let model: CompressedModel
  /// Mean squared error per value between the table and its reconstruction. Rows count equally, whatever their weights.
  public let mse: Double
  /// ‖X − X̂‖² / ‖X‖² over the whole table; 0 for a table of zeros that is rebuilt exactly.
  public let relativeError: Double
  /// Σ w·‖x − x̂‖² / Σ w·‖x‖² of what codewords describe (with the cosine metric unit rows), w the weights of the rows.
  public let weightedRelativeError: Double
  /// Mean cosine between rows and their reconstructions; rows of zeros are left out.
  public let cosineMean: Double
  /// `mse` of the k-means codebooks that `vq` or `sx` started from, so that the gain of training shows; `nil` otherwise.
  public let startMSE: Double?
  /// Passes over the training rows that were made.
  public let epochs: Int
  /// Seconds spent learning codebooks.
  public let trainSeconds: Double
  /// Seconds spent coding rows and measuring the error.
  public let encodeSeconds: Double
}
