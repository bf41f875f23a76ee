/// The codewords of a compressed table, `[codebooks][codes][width]` in row-major order.
public struct Codebook: Sendable, Equatable {
  /// How the codewords are stored in a file.
  public enum Storage: String, Sendable, CaseIterable {
    case float32 = "f32"
    case float16 = "f16"
    /// Bytes of one value.
    public var byteCount: Int { self == .float32 ? 4 : 2 }

    /// `values` as they are after being stored.
    func rounded(_ values: [Float]) -> [Float] { self == .float32 ? values : values.map { Float(Float16($0)) } }
  }

  /// The layout the codebook belongs to.
  public let layout: CodeLayout
  /// Values, `layout.codebookCount` of them, already rounded to ``storage``.
  public internal(set) var values: [Float]
  /// The type the values are stored in; they are rounded to it before the final assignment.
  public let storage: Storage

  /// Makes a codebook, rounding `values` to `storage`.
  ///
  /// - Throws: `invalidArgument` when the number of values is not `layout.codebookCount`, or a value is not finite in
  ///   `storage`.
  public init(layout: CodeLayout, values: [Float], storage: Storage = .float32) throws(DPQError) {
    guard values.count == layout.codebookCount else {
      throw DPQError(
        .invalidArgument, "a codebook of this layout has \(layout.codebookCount) values, not \(values.count)")
    }
    self.layout = layout
    self.storage = storage
    self.values = storage.rounded(values)
    guard self.values.allSatisfy(\.isFinite) else {
      throw DPQError(
        .invalidArgument,
        "a codeword is not finite as \(storage.rawValue)" + (storage == .float16 ? ": store the codebook as f32" : ""))
    }
  }
}
