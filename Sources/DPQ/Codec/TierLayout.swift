/// How the rows of one tier are coded.
public enum TierLayout: Sendable, Equatable, Hashable {
  /// Groups of values, each replaced by a codeword: product quantization.
  case concat(CodeLayout)
  /// A sum of the vectors whose bits are set.
  case binary(BinaryLayout)

  /// Values of a row.
  public var dimension: Int {
    switch self {
    case .concat(let layout): layout.dimension
    case .binary(let layout): layout.dimension
    }
  }

  /// Bits of a row's codes.
  public var bitsPerRow: Int {
    switch self {
    case .concat(let layout): layout.bitsPerRow
    case .binary(let layout): layout.bits
    }
  }

  /// Packed bytes of a row: rows start at whole bytes.
  public var rowBytes: Int { (bitsPerRow + 7) / 8 }

  /// Values stored once for all rows: codewords, or basis and bias.
  public var valueCount: Int {
    switch self {
    case .concat(let layout): layout.codebookCount
    case .binary(let layout): layout.valueCount
    }
  }

  /// Codes of a row: `groups` in the file.
  public var groups: Int {
    switch self {
    case .concat(let layout): layout.groups
    case .binary(let layout): layout.bits
    }
  }

  /// Values each code chooses from: `codes` in the file.
  public var codes: Int {
    switch self {
    case .concat(let layout): layout.codes
    case .binary: 2
    }
  }

  /// `tier.T.kind` of the file.
  public var kind: String {
    switch self {
    case .concat: "concat"
    case .binary: "binary"
    }
  }

  /// The layout of codewords; `nil` for a binary tier.
  public var concat: CodeLayout? {
    if case .concat(let layout) = self { layout } else { nil }
  }
}

/// What is known of a tier without its contents: enough to tell its bytes.
public struct TierShape: Sendable, Equatable {
  /// How its rows are coded.
  public let layout: TierLayout
  /// The type its codewords or vectors are stored in.
  public let storage: Codebook.Storage
  /// Number of its rows.
  public let rows: Int

  /// Makes a shape from its parts.
  public init(layout: TierLayout, storage: Codebook.Storage, rows: Int) {
    self.layout = layout
    self.storage = storage
    self.rows = rows
  }
}

extension TierShape {
  /// The papers' ratio of a table in tiers: 32·n·d ÷ the bits of codes (log2 K unrounded), tier map and float32 codewords.
  static func paperRatio(_ tiers: [TierShape]) -> Double {
    let rows = Double(tiers.reduce(0) { $0 + $1.rows })
    let bits = tiers.reduce(rows * mapBits(tiers)) { sum, tier in
      switch tier.layout {
      case .concat(let layout): sum + layout.paperBits(rows: tier.rows)
      case .binary(let layout): sum + Double(tier.rows * layout.bits + 32 * layout.valueCount)
      }
    }
    return 32 * rows * Double(tiers[0].layout.dimension) / bits
  }

  /// Mean bits of a row: its codes, its place in the tier map, and its norm code with the cosine metric.
  static func bitsPerRow(_ tiers: [TierShape], metric: Metric) -> Double {
    let rows = max(1, tiers.reduce(0) { $0 + $1.rows })
    let codes =
      tiers.count == 1 ? tiers[0].layout.bitsPerRow * rows : tiers.reduce(0) { $0 + $1.rows * $1.layout.bitsPerRow }
    return Double(codes) / Double(rows) + mapBits(tiers) + (metric == .cosine ? 8 : 0)
  }

  private static func mapBits(_ tiers: [TierShape]) -> Double {
    tiers.count > 1 ? Double(TierMap.bits(tiers: tiers.count)) : 0
  }
}
