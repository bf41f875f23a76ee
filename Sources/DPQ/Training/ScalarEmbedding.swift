#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A baseline: a table whose values are rounded to 2…8 bits, with one float32 scale a row.
///
/// A value is kept as an integer of −(2ᵇ⁻¹ − 1)…2ᵇ⁻¹ − 1 times the row's scale, its largest magnitude over the largest
/// integer. Training goes forward with the rounded rows and passes gradients straight through the rounding (Bengio,
/// Léonard, Courville 2013); a table trained otherwise can be rounded by making a layer of it and not training that.
public final class ScalarEmbedding: EmbeddingLayer {
  /// Bits of a value.
  public let bits: Int
  private let full: FullEmbedding
  private let threads: Int

  /// Makes a table of numbers drawn evenly from [−scale, scale).
  ///
  /// - Throws: `invalidArgument` for no rows, no columns, or bits outside 2…8; `outOfMemory`.
  public convenience init(
    rows: Int, dimension: Int, bits: Int, scale: Float = 0.05, seed: UInt64 = 0, name: String = "embedding",
    threads: Int = 0
  ) throws(DPQError) {
    let full = try FullEmbedding(
      rows: rows, dimension: dimension, scale: scale, seed: seed, name: name, threads: threads)
    try self.init(full, bits: bits, threads: threads)
  }

  /// Makes a layer that rounds `table`, which training then moves.
  ///
  /// - Throws: As without a table.
  public convenience init(
    table: Matrix, bits: Int, name: String = "embedding", threads: Int = 0
  ) throws(DPQError) {
    try self.init(FullEmbedding(table: table, name: name, threads: threads), bits: bits, threads: threads)
  }

  private init(_ full: FullEmbedding, bits: Int, threads: Int) throws(DPQError) {
    guard (2...8).contains(bits) else {
      throw DPQError(.invalidArgument, "values of \(bits) bits are not possible: choose 2 to 8")
    }
    self.full = full
    self.bits = bits
    self.threads = threads
  }

  /// Number of rows.
  public var rows: Int { full.rows }
  /// Values a row.
  public var dimension: Int { full.dimension }
  /// The table before rounding.
  public var parameters: [Parameter] { full.parameters }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }
  /// Packed values and a scale a row.
  public var storedBytes: Int { rows * ((dimension * bits + 7) / 8 + 4) }
  /// 0.
  public var regularization: Double { 0 }

  /// Writes the rounded row of each id to `output`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try full.forward(ids, into: &output, training: training)
    let largest = Float(1 << (bits - 1) - 1)
    for first in stride(from: 0, to: output.count, by: dimension) {
      let row = first..<(first + dimension)
      var magnitude: Float = 0
      for i in row { magnitude = max(magnitude, abs(output[i])) }
      let scale = magnitude / largest
      guard scale > 0 else { continue }
      for i in row { output[i] = rint(output[i] / scale) * scale }
    }
  }

  /// Sets the gradient of the table from that of the rounded rows.
  public func backward(_ upstream: Span<Float>) throws(DPQError) { try full.backward(upstream) }

  /// `nil`: integers are no codes of codewords.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? { nil }
}
