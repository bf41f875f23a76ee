/// Where a compression stands; given to the caller after every piece of work that takes noticeable time.
public struct CompressionProgress: Sendable {
  /// The part of the work under way.
  public enum Phase: String, Sendable, CaseIterable {
    /// First codewords are being chosen.
    case seed
    /// Codebooks are being learned.
    case train
    /// Rows are being coded.
    case encode
  }

  /// The part of the work under way.
  public let phase: Phase
  /// Passes over the training rows that are done.
  public let epoch: Int
  /// Passes there will be at most.
  public let epochs: Int
  /// Share of the whole work that is done, 0…1.
  public let fraction: Double
  /// Mean squared error per value of the training rows (of unit rows with the cosine metric), or `nil` before it is known.
  public let loss: Double?
  /// Codewords of all groups that some row uses.
  public let codesInUse: Int
  /// Codewords of all groups.
  public let codesTotal: Int
}
