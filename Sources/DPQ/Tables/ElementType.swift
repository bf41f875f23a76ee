/// The number type a table is stored in. Arithmetic is always done in `float32`.
public enum ElementType: String, Sendable, CaseIterable {
  case float32
  case float16
  case bfloat16
  case float64

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float32: 4
    case .float16, .bfloat16: 2
    case .float64: 8
    }
  }
}
