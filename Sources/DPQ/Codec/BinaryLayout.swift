/// How a row of a binary tier is coded: `bits` bits, each adding a vector of `dimension` values or not.
///
/// Row = bias + Σ bit_j · basis_j (after AdaComp: Kim, Kim, Lee 2020). Any number of bits is possible; it is never rounded.
public struct BinaryLayout: Sendable, Equatable, Hashable {
  /// Values of a row.
  public let dimension: Int
  /// Bits of a row.
  public let bits: Int

  /// Most bits of a row.
  public static let largestBits = 65_536

  /// Makes a layout.
  ///
  /// - Throws: `invalidArgument` where `bits` is outside 1…65 536 or `dimension` below 1.
  public init(dimension: Int, bits: Int) throws(DPQError) {
    guard dimension >= 1 else {
      throw DPQError(.invalidArgument, "a table of dimension \(dimension) cannot be coded")
    }
    guard (1...Self.largestBits).contains(bits) else {
      throw DPQError(.invalidArgument, "\(bits) bits a row are not possible: choose 1 to \(Self.largestBits)")
    }
    self.dimension = dimension
    self.bits = bits
  }

  /// Packed bytes of a row: ⌈bits / 8⌉.
  public var rowBytes: Int { (bits + 7) / 8 }
  /// Values stored for the whole tier: the basis and the bias.
  public var valueCount: Int { (bits + 1) * dimension }
}
