/// What stands in for the embedding table of a model.
public enum EmbeddingKind: String, CaseIterable, Sendable {
  /// The table as it is.
  case full
  /// Codes learned with the task, chosen by a softmax over products with keys.
  case sx
  /// Codes learned with the task, chosen by distance to keys.
  case vq
  /// Codes as with `sx`, and how long the code of each row is, learned with the task.
  case adaptive
  /// A table of 8-bit integers with a scale a row, trained through the rounding.
  case scalar8
  /// The same of 6 bits.
  case scalar6
  /// The same of 4 bits.
  case scalar4
  /// The product of two thin tables.
  case lowRank = "low-rank"
  /// A full table is trained; afterwards its rows are coded by product quantization.
  case pq
  /// A full table is trained; afterwards a DPQ layer learns to reconstruct its rows.
  case dpqTable = "dpq-table"

  /// Whether codes of the trained table are learned, with the task or after it.
  public var hasCodes: Bool { [.sx, .vq, .pq, .dpqTable].contains(self) }
  /// Whether a full table is trained and compressed afterwards.
  public var isCompressedLater: Bool { self == .pq || self == .dpqTable }

  /// Bits of a value of scalar tables.
  var scalarBits: Int? {
    switch self {
    case .scalar8: 8
    case .scalar6: 6
    case .scalar4: 4
    default: nil
    }
  }
}
