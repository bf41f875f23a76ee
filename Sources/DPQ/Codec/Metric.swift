/// What "close" means for a compressed table.
public enum Metric: String, Sendable, CaseIterable {
  /// Squared Euclidean distance between a row and its reconstruction.
  case l2
  /// Angle between them: codebooks describe unit rows, norms are kept as one more code.
  case cosine
}
