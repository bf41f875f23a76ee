/// Everything that decides how long each part of a compressed file is, and the text of its header but for the checksums.
///
/// The plan and the writer both go through this type, so a planned size is the written size.
struct FileShape {
  /// What a tensor holds.
  enum Content: Equatable {
    case vocabularyOffsets, vocabularyOrder, vocabularyBytes
    case normCodebook, normCodes
    case tierMap, tierRank
    case codes(tier: Int), codebook(tier: Int), basis(tier: Int), bias(tier: Int)
    case encoderKeys(tier: Int), encoderMean(tier: Int), encoderVariance(tier: Int)

    /// Its name in the file.
    var name: String {
      switch self {
      case .vocabularyOffsets: "vocabulary.offsets"
      case .vocabularyOrder: "vocabulary.order"
      case .vocabularyBytes: "vocabulary.bytes"
      case .normCodebook: "norm.codebook"
      case .normCodes: "norm.codes"
      case .tierMap: "tier.map"
      case .tierRank: "tier.rank"
      case .codes(let tier): "tier.\(tier).codes"
      case .codebook(let tier): "tier.\(tier).codebook"
      case .basis(let tier): "tier.\(tier).basis"
      case .bias(let tier): "tier.\(tier).bias"
      case .encoderKeys(let tier): "tier.\(tier).encoder.keys"
      case .encoderMean(let tier): "tier.\(tier).encoder.mean"
      case .encoderVariance(let tier): "tier.\(tier).encoder.variance"
      }
    }
  }

  /// The element types of the file, in file order: the largest first, so that no tensor needs a gap.
  enum Element: Int {
    case u64, f32, f16, u8

    /// The name of the type in safetensors.
    var name: String {
      switch self {
      case .u64: "U64"
      case .f32: "F32"
      case .f16: "F16"
      case .u8: "U8"
      }
    }

    var byteCount: Int {
      switch self {
      case .u64: 8
      case .f32: 4
      case .f16: 2
      case .u8: 1
      }
    }
  }

  /// One tensor of the file.
  struct Tensor {
    let content: Content
    let type: Element
    let shape: [Int]

    var name: String { content.name }
    var byteCount: Int { shape.reduce(type.byteCount, *) }
  }

  let tiers: [TierShape]
  let metric: Metric
  let assignment: Assignment
  /// What codes further rows of a tier, by its number; most tiers have nothing.
  var encoders: [Int: (response: ResponseEncoder.Response, isNormalized: Bool)] = [:]
  /// UTF-8 bytes of all words, or `nil` without a vocabulary.
  let vocabularyBytes: Int?
  let recipe: String

  /// Entries of the norm codebook.
  static let normCodes = 256

  var rows: Int { tiers.reduce(0) { $0 + $1.rows } }
  var dimension: Int { tiers[0].layout.dimension }

  /// The tensors in file order: largest element first, names ascending within a type.
  var tensors: [Tensor] {
    let rows = rows
    var tensors: [Tensor] = []
    func add(_ content: Content, _ type: Element, _ shape: [Int]) {
      tensors.append(Tensor(content: content, type: type, shape: shape))
    }
    if let vocabularyBytes {
      add(.vocabularyOffsets, .u64, [rows + 1])
      add(.vocabularyOrder, .u64, [rows])
      add(.vocabularyBytes, .u8, [vocabularyBytes])
    }
    if metric == .cosine {
      add(.normCodebook, .f32, [Self.normCodes])
      add(.normCodes, .u8, [rows])
    }
    if tiers.count > 1 {
      add(.tierMap, .u8, [TierMap.byteCount(rows: rows, tiers: tiers.count)])
      add(.tierRank, .u64, [TierMap.rankCount(rows: rows, tiers: tiers.count) / tiers.count, tiers.count])
    }
    for (t, tier) in tiers.enumerated() {
      let type = tier.storage == .float32 ? Element.f32 : .f16
      add(.codes(tier: t), .u8, [tier.rows, tier.layout.rowBytes])
      switch tier.layout {
      case .concat(let layout): add(.codebook(tier: t), type, [layout.codebooks, layout.codes, layout.width])
      case .binary(let layout):
        add(.basis(tier: t), type, [layout.bits, layout.dimension])
        add(.bias(tier: t), type, [layout.dimension])
      }
      if let encoder = encoders[t], case .concat(let layout) = tier.layout {
        add(.encoderKeys(tier: t), .f32, [layout.codebooks, layout.codes, layout.width])
        if encoder.isNormalized {
          add(.encoderMean(tier: t), .f32, [layout.codes])
          add(.encoderVariance(tier: t), .f32, [layout.codes])
        }
      }
    }
    // Names are ASCII, so their order as text is that of their bytes.
    return tensors.sorted { ($0.type.rawValue, $0.name) < ($1.type.rawValue, $1.name) }
  }

  /// The first 8 + N bytes of the file: the length N and the JSON, padded with spaces so that data starts at a multiple
  /// of 64 bytes.
  ///
  /// `checksums` holds one number a tensor in file order; `ownChecksum` is the header's own, 0 while it is computed.
  func header(checksums: [UInt64], ownChecksum: UInt64) -> [UInt8] {
    let tensors = tensors
    var metadata: [(String, String)] = [
      ("format", "dpq"), ("format_version", "1"), ("rows", "\(rows)"), ("dimension", "\(dimension)"),
      ("metric", metric.rawValue), ("assignment", assignment.rawValue), ("tiers", "\(tiers.count)"),
    ]
    for (t, tier) in tiers.enumerated() {
      let layout = tier.layout
      metadata += [
        ("tier.\(t).kind", layout.kind), ("tier.\(t).groups", "\(layout.groups)"),
        ("tier.\(t).codes", "\(layout.codes)"), ("tier.\(t).bits", "\(layout.bitsPerRow / layout.groups)"),
        ("tier.\(t).rows", "\(tier.rows)"),
      ]
      if let encoder = encoders[t] { metadata.append(("tier.\(t).encoder", encoder.response.rawValue)) }
    }
    metadata.append(("recipe", recipe))
    for (tensor, checksum) in zip(tensors, checksums) {
      metadata.append(("checksum.\(tensor.name)", Self.hexadecimal(checksum)))
    }
    metadata.append(("checksum.header", Self.hexadecimal(ownChecksum)))

    var json = "{\"__metadata__\":{"
    json += metadata.map { "\(Self.quoted($0.0)):\(Self.quoted($0.1))" }.joined(separator: ",")
    json += "}"
    var offset = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      json += ",\(Self.quoted(tensor.name)):{\"dtype\":\"\(tensor.type.name)\",\"shape\":[\(shape)]"
      json += ",\"data_offsets\":[\(offset),\(offset + tensor.byteCount)]}"
      offset += tensor.byteCount
    }
    json += "}"
    var text = Array(json.utf8)
    let length = (8 + text.count + 63) / 64 * 64 - 8
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: length - text.count))
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + text
  }

  /// Bytes of each part in file order, the header first.
  var sections: [(name: String, bytes: Int)] {
    let tensors = tensors
    let header = header(checksums: tensors.map { _ in 0 }, ownChecksum: 0)
    return [("header", header.count)] + tensors.map { ($0.name, $0.byteCount) }
  }

  /// The plan of a file of this shape.
  var plan: CompressionPlan {
    let sections = sections
    return CompressionPlan(
      tiers: tiers, metric: metric, sections: sections, fileBytes: sections.reduce(0) { $0 + $1.bytes })
  }

  /// Sixteen lowercase digits.
  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// `text` as a JSON string. Names and recipes are printable ASCII, so only quotes and backslashes need care.
  static func quoted(_ text: String) -> String {
    var quoted = "\""
    for character in text.unicodeScalars {
      if character == "\"" || character == "\\" { quoted += "\\" }
      quoted.unicodeScalars.append(character)
    }
    return quoted + "\""
  }
}
