/// Reads a table from a safetensors file (github.com/huggingface/safetensors, "Format").
enum SafetensorsTable {
  /// The longest header the format allows.
  static let longestHeader = 100_000_000

  /// What the header says of a tensor.
  struct Tensor {
    var name: String
    var type: String
    var shape: [Int]
    var range: Range<Int>

    var elementType: ElementType? {
      switch type {
      case "F32": .float32
      case "F16": .float16
      case "BF16": .bfloat16
      case "F64": .float64
      default: nil
      }
    }
    var isTable: Bool { elementType != nil && shape.count == 2 }
    var summary: String { "\(name) (\(type) \(shape.map(String.init).joined(separator: " × ")))" }
  }

  /// Makes a table of one tensor, without a copy: the one called `name`, or the only one that is a table.
  ///
  /// - Throws: `inputNotFound` where there is no tensor `name`; `malformedInput`; `truncatedInput`; `invalidArgument`
  ///   where several tensors could be meant.
  static func read(_ region: MemoryRegion, name: String?, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    let tensors = try parse(region)
    let tables = tensors.filter(\.isTable)
    let tensor: Tensor
    if let name {
      guard let named = tensors.first(where: { $0.name == name }) else {
        throw DPQError(
          .inputNotFound, "there is no tensor \(name): \(TensorChoice.list(tables.map(\.summary)))")
      }
      tensor = named
    } else {
      guard tables.count == 1 else { throw TensorChoice.unclear(tables.map(\.summary)) }
      tensor = tables[0]
    }
    guard let type = tensor.elementType, tensor.shape.count == 2 else {
      throw DPQError(
        .malformedInput,
        "tensor \(tensor.summary) is not a table of floats: \(TensorChoice.list(tables.map(\.summary)))")
    }
    _ = try TableShape.bytes(rows: tensor.shape[0], dimension: tensor.shape[1], type: type)
    return EmbeddingTable(
      storage: region, byteOffset: tensor.range.lowerBound, rows: tensor.shape[0], dimension: tensor.shape[1],
      elementType: type, sourceBytes: sourceBytes)
  }

  /// The header of a file that starts with `length`, 8 bytes, little endian.
  static func parse(_ region: MemoryRegion) throws(DPQError) -> [Tensor] {
    let length = region.span.integer(at: 0, as: UInt64.self)
    guard length <= longestHeader else {
      throw DPQError(
        .malformedInput,
        "a safetensors header of \(length) bytes cannot be right: at most \(longestHeader) are allowed",
        .init(byte: 0))
    }
    let dataStart = 8 + Int(length)
    guard dataStart <= region.byteCount else {
      throw DPQError(
        .truncatedInput,
        "the safetensors header needs \(dataStart) bytes, the file has \(region.byteCount): it is incomplete",
        .init(byte: region.byteCount))
    }
    let header = try JSONDocument(region, 8..<dataStart)
    guard header.root.isObject else {
      throw DPQError(.malformedInput, "the safetensors header is not an object", .init(byte: 8))
    }
    var tensors: [Tensor] = []
    var end = 0
    try header.root.forEachMember { (rawName, value) throws(DPQError) in
      let name = String(decoding: JSONDocument.unescape(rawName), as: UTF8.self)
      if name == "__metadata__" {
        if value["format"]?.string == "dpq" {
          throw DPQError(
            .malformedInput, "is a compressed table, where a plain one is needed: `dpq decode` makes one of it")
        }
        return
      }
      let shape = value["shape"]?.elements.map(\.integer) ?? [nil]
      let offsets = value["data_offsets"]?.elements.compactMap(\.integer) ?? []
      guard let type = value["dtype"]?.string, shape.allSatisfy({ $0 != nil && $0! >= 0 }), offsets.count == 2,
        offsets[0] >= 0, offsets[0] <= offsets[1]
      else { throw DPQError(.malformedInput, "the entry of tensor \(name) in the safetensors header is damaged") }
      guard offsets[1] <= region.byteCount - dataStart else {
        throw DPQError(
          .truncatedInput,
          "tensor \(name) ends at byte \(offsets[1]) of the data, the file has "
            + "\(region.byteCount - dataStart): it is incomplete", .init(byte: region.byteCount))
      }
      let tensor = Tensor(
        name: name, type: type, shape: shape.map { $0! }, range: dataStart + offsets[0]..<dataStart + offsets[1])
      if let element = tensor.elementType {
        var bytes = element.byteCount
        var overflow = false
        for axis in tensor.shape {
          let product = bytes.multipliedReportingOverflow(by: axis)
          bytes = product.partialValue
          overflow = overflow || product.overflow
        }
        guard !overflow, bytes == tensor.range.count else {
          throw DPQError(
            .malformedInput, "tensor \(tensor.summary) does not fit its \(tensor.range.count) bytes of data")
        }
      }
      end = max(end, offsets[1])
      tensors.append(tensor)
    }
    guard end == region.byteCount - dataStart else {
      throw DPQError(
        .malformedInput, "\(region.byteCount - dataStart - end) bytes follow the last tensor: the file is damaged",
        .init(byte: dataStart + end))
    }
    return tensors
  }

  /// The front of a file with one float32 tensor `embedding.weight`, its data starting at a multiple of 64.
  static func header(rows: Int, dimension: Int) -> [UInt8] {
    var text = """
      {"embedding.weight":{"dtype":"F32","shape":[\(rows),\(dimension)],"data_offsets":[0,\(4 * rows * dimension)]}}
      """
    while (8 + text.utf8.count) % 64 != 0 { text += " " }
    return withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { Array($0) } + Array(text.utf8)
  }
}

/// Messages where a file holds several arrays.
enum TensorChoice {
  /// `the tables are a, b and 3 more`.
  static func list(_ names: [String]) -> String {
    if names.isEmpty { return "the file holds no table of floats" }
    let shown = names.sorted().prefix(8).joined(separator: ", ")
    let rest = names.count > 8 ? " and \(names.count - 8) more" : ""
    return names.count == 1 ? "the only table is \(shown)" : "the tables are \(shown)\(rest)"
  }

  /// The error where no name was given and none can be guessed.
  static func unclear(_ names: [String]) -> DPQError {
    if names.isEmpty { return DPQError(.malformedInput, "holds no two-dimensional array of floats") }
    return DPQError(.invalidArgument, "holds \(names.count) tables, choose one with --tensor: \(list(names))")
  }
}
