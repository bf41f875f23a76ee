/// What stands in for the embedding table of a model.
public enum EmbeddingKind: String, CaseIterable, Sendable {
  /// The table as it is.
  case full
  /// Codes learned with the task, chosen by a softmax over products with keys.
  case sx
  /// Codes learned with the task, chosen by distance to keys.
  case vq
  /// A full table is trained; afterwards its rows are coded by product quantization.
  case pq
}
