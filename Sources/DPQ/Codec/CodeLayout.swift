/// How a row is coded: `dimension` values cut into `groups` sub-vectors, each replaced by one of `codes` codewords.
///
/// The papers write D for ``groups`` and K for ``codes`` (Chen, Li, Sun 2020, section 2).
public struct CodeLayout: Sendable, Equatable, Hashable {
  /// Values of a row.
  public let dimension: Int
  /// Sub-vectors of a row, and so codes of a row.
  public let groups: Int
  /// Codewords each group chooses from, 2…65 536.
  public let codes: Int
  /// Whether one codebook serves several groups; a single group has a codebook of its own.
  public let isShared: Bool

  /// Makes a layout.
  ///
  /// - Throws: `invalidArgument` where `(groups − 1) · width ≥ dimension` or `codes` is outside 2…65 536; the message
  ///   names the nearest group counts that are valid.
  public init(dimension: Int, groups: Int, codes: Int, isShared: Bool = false) throws(DPQError) {
    guard dimension >= 1 else {
      throw DPQError(.invalidArgument, "a table of dimension \(dimension) cannot be coded")
    }
    guard (2...65_536).contains(codes) else {
      throw DPQError(.invalidArgument, "\(codes) codes a group are not possible: choose 2 to 65536")
    }
    guard Self.isValid(groups: groups, dimension: dimension) else {
      let below = stride(from: min(groups, dimension), through: 1, by: -1)
        .first { Self.isValid(groups: $0, dimension: dimension) }
      let above = stride(from: max(groups, 1), through: dimension, by: 1)
        .first { Self.isValid(groups: $0, dimension: dimension) }
      let fitting = Set([below, above].compactMap { $0 }).sorted()
      let nearest = fitting.map(String.init).joined(separator: " or ")
      throw DPQError(
        .invalidArgument,
        "dimension \(dimension) cannot be cut into \(groups) groups: the nearest that \(fitting.count == 1 ? "fits is" : "fit are") \(nearest)"
      )
    }
    self.dimension = dimension
    self.groups = groups
    self.codes = codes
    self.isShared = isShared && groups > 1
  }

  /// Whether `groups` groups of equal width cover `dimension` with none of them empty.
  public static func isValid(groups: Int, dimension: Int) -> Bool {
    guard groups >= 1, groups <= dimension else { return false }
    let width = (dimension + groups - 1) / groups
    return (groups - 1) * width < dimension
  }

  /// Values of a codeword: ⌈dimension / groups⌉. The last group may be padded with zeros.
  public var width: Int { (dimension + groups - 1) / groups }
  /// Bits of one code: ⌈log2 codes⌉.
  public var bits: Int { Int.bitWidth - (codes - 1).leadingZeroBitCount }
  /// Bits of a row's codes.
  public var bitsPerRow: Int { groups * bits }
  /// Packed bytes of a row: ⌈groups · bits / 8⌉.
  public var rowBytes: Int { (bitsPerRow + 7) / 8 }

  /// Code `j` of the packed row that starts at `start`.
  func code(_ j: Int, of packed: [UInt8], at start: Int) -> Int {
    let (first, last) = (start + j * bits / 8, start + (j * bits + bits - 1) / 8)
    let value = (first...last).reversed().reduce(0) { $0 << 8 | Int(packed[$1]) }
    return value >> (j * bits % 8) & (1 << bits - 1)
  }
  /// Codebooks stored: `groups`, or 1 when shared.
  public var codebooks: Int { isShared ? 1 : groups }
  /// Values of all codebooks together: codebooks · codes · width.
  public var codebookCount: Int { codebooks * codes * width }

  /// The papers' ratio for a table of `rows` rows: 32·n·d ÷ (n·D·log2 K + 32·K·d, the last ÷ D when shared), with log2 K
  /// unrounded and float32 codebooks.
  public func paperRatio(rows: Int) -> Double { 32 * Double(rows) * Double(dimension) / paperBits(rows: rows) }

  /// The bits that the papers count for `rows` rows and their codebooks.
  func paperBits(rows: Int) -> Double {
    let codebookBits = 32 * Double(codes) * Double(dimension) / (isShared ? Double(groups) : 1)
    return Double(rows) * Double(groups) * Self.log2(Double(codes)) + codebookBits
  }

  private static func log2(_ x: Double) -> Double {
    // Exact for powers of two, which is what users nearly always choose.
    let exponent = x.exponent
    var fraction = x.significand
    var result = Double(exponent)
    var bit = 0.5
    while bit > 1e-17 && fraction > 1 {
      fraction *= fraction
      if fraction >= 2 {
        fraction /= 2
        result += bit
      }
      bit /= 2
    }
    return result
  }
}
