/// Everything that decides how long each part of a compressed file is, and the text of its header but for the checksums.
///
/// The plan and the writer both go through this type, so a planned size is the written size.
struct FileShape {
  /// One tensor of the file.
  struct Tensor {
    let name: String
    /// The safetensors name of its element type.
    let type: String
    let shape: [Int]
    let byteCount: Int
  }

  let layout: CodeLayout
  let storage: Codebook.Storage
  let metric: Metric
  let assignment: Assignment
  let rows: Int
  /// UTF-8 bytes of all words, or `nil` without a vocabulary.
  let vocabularyBytes: Int?
  let recipe: String

  /// Entries of the norm codebook.
  static let normCodes = 256

  /// The tensors in file order: largest element first, names ascending within a type, so that none needs a gap.
  var tensors: [Tensor] {
    var tensors: [Tensor] = []
    func add(_ name: String, _ type: String, _ size: Int, _ shape: [Int]) {
      tensors.append(Tensor(name: name, type: type, shape: shape, byteCount: shape.reduce(size, *)))
    }
    let codebook = [layout.codebooks, layout.codes, layout.width]
    if vocabularyBytes != nil {
      add("vocabulary.offsets", "U64", 8, [rows + 1])
      add("vocabulary.order", "U64", 8, [rows])
    }
    if metric == .cosine { add("norm.codebook", "F32", 4, [Self.normCodes]) }
    if storage == .float32 { add("tier.0.codebook", "F32", 4, codebook) }
    if storage == .float16 { add("tier.0.codebook", "F16", 2, codebook) }
    if metric == .cosine { add("norm.codes", "U8", 1, [rows]) }
    add("tier.0.codes", "U8", 1, [rows, layout.rowBytes])
    if let vocabularyBytes { add("vocabulary.bytes", "U8", 1, [vocabularyBytes]) }
    return tensors
  }

  /// The first 8 + N bytes of the file: the length N and the JSON, padded with spaces so that data starts at a multiple
  /// of 64 bytes.
  ///
  /// `checksums` holds one number a tensor in file order; `ownChecksum` is the header's own, 0 while it is computed.
  func header(checksums: [UInt64], ownChecksum: UInt64) -> [UInt8] {
    let tensors = tensors
    var metadata: [(String, String)] = [
      ("format", "dpq"), ("format_version", "1"), ("rows", "\(rows)"), ("dimension", "\(layout.dimension)"),
      ("metric", metric.rawValue), ("assignment", assignment.rawValue), ("tiers", "1"), ("tier.0.kind", "concat"),
      ("tier.0.groups", "\(layout.groups)"), ("tier.0.codes", "\(layout.codes)"), ("tier.0.bits", "\(layout.bits)"),
      ("tier.0.rows", "\(rows)"), ("recipe", recipe),
    ]
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
      json += ",\(Self.quoted(tensor.name)):{\"dtype\":\"\(tensor.type)\",\"shape\":[\(shape)]"
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
      layout: layout, codebookStorage: storage, metric: metric, rows: rows, sections: sections,
      fileBytes: sections.reduce(0) { $0 + $1.bytes })
  }

  /// Sixteen lowercase digits.
  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// `text` as a JSON string. Names and recipes are printable ASCII, so only quotes and backslashes need care.
  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for character in text.unicodeScalars {
      if character == "\"" || character == "\\" { quoted += "\\" }
      quoted.unicodeScalars.append(character)
    }
    return quoted + "\""
  }
}
