/// The vectors that the bits of a binary tier add up: row = bias + Σ bit_j · basis_j.
public struct BinaryBasis: Sendable, Equatable {
  /// The layout the basis belongs to.
  public let layout: BinaryLayout
  /// One vector a bit, `[bits][dimension]` in row-major order, already rounded to ``storage``.
  public let values: [Float]
  /// The row of which no bit is set, `dimension` values, rounded to ``storage`` too.
  public let bias: [Float]
  /// The type basis and bias are stored in; they are rounded to it before the final assignment.
  public let storage: Codebook.Storage

  /// Makes a basis, rounding `values` and `bias` to `storage`.
  ///
  /// - Throws: `invalidArgument` where the counts are not `bits · dimension` and `dimension`, or a value is not finite in
  ///   `storage`.
  public init(
    layout: BinaryLayout, values: [Float], bias: [Float], storage: Codebook.Storage = .float32
  ) throws(DPQError) {
    guard values.count == layout.bits * layout.dimension, bias.count == layout.dimension else {
      throw DPQError(
        .invalidArgument,
        "a basis of \(layout.bits) bits has \(layout.bits) × \(layout.dimension) values and \(layout.dimension) of bias"
      )
    }
    self.layout = layout
    self.storage = storage
    self.values = storage.rounded(values)
    self.bias = storage.rounded(bias)
    guard self.values.allSatisfy(\.isFinite), self.bias.allSatisfy(\.isFinite) else {
      throw DPQError(
        .invalidArgument,
        "a value of the basis is not finite as \(storage.rawValue)"
          + (storage == .float16 ? ": store it as f32" : ""))
    }
  }
}
