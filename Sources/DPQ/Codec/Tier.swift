/// Rows that are coded alike: their codes, and what the codes stand for.
public struct Tier: Sendable, Equatable {
  /// What the codes of a tier stand for.
  public enum Codewords: Sendable, Equatable {
    /// A codeword a group, one after another.
    case concat(Codebook)
    /// A sum of the vectors whose bits are set.
    case binary(BinaryBasis)

    /// How rows are coded.
    public var layout: TierLayout {
      switch self {
      case .concat(let codebook): .concat(codebook.layout)
      case .binary(let basis): .binary(basis.layout)
      }
    }

    /// The type the values are stored in.
    public var storage: Codebook.Storage {
      switch self {
      case .concat(let codebook): codebook.storage
      case .binary(let basis): basis.storage
      }
    }
  }

  /// What the codes stand for.
  public let codewords: Codewords
  /// Packed codes, `[rows][layout.rowBytes]`, least significant bit first; the rows in the order of the table.
  public let codes: [UInt8]
  /// Number of rows.
  public let rows: Int
  /// What codes further rows where codes are responses of a trained layer; `nil` where nothing can.
  public let encoder: ResponseEncoder?

  /// Makes a tier of as many rows as there are codes for.
  ///
  /// - Throws: `invalidArgument` where `codes` ends within a row, or the encoder is of another layout.
  public init(_ codewords: Codewords, codes: [UInt8], encoder: ResponseEncoder? = nil) throws(DPQError) {
    let rowBytes = codewords.layout.rowBytes
    guard codes.count % rowBytes == 0 else {
      throw DPQError(.invalidArgument, "\(codes.count) bytes of codes are no rows of \(rowBytes) bytes")
    }
    guard encoder.map({ .concat($0.layout) == codewords.layout }) ?? true else {
      throw DPQError(.invalidArgument, "the encoder codes rows in another layout")
    }
    self.init(codewords, codes: codes, rows: codes.count / rowBytes, encoder: encoder)
  }

  init(_ codewords: Codewords, codes: [UInt8], rows: Int, encoder: ResponseEncoder? = nil) {
    precondition(codes.count == rows * codewords.layout.rowBytes)
    self.codewords = codewords
    self.codes = codes
    self.rows = rows
    self.encoder = encoder
  }

  /// How rows are coded.
  public var layout: TierLayout { codewords.layout }
  /// Layout, storage and number of rows.
  public var shape: TierShape { TierShape(layout: layout, storage: codewords.storage, rows: rows) }
}
