/// By what rows are compared in a search.
public enum Similarity: String, Sendable, CaseIterable {
  /// q·x ÷ (‖q‖ ‖x‖), the largest first; 0 where either is zero.
  case cosine
  /// q·x, the largest first.
  case dot
  /// ‖q − x‖², the smallest first.
  case l2
}
