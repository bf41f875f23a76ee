/// Reads a table from the bytes of an `.npy` file.
enum NPYTable {
  /// Makes a table of the array in `range` of `region`; C order, little endian, costs no copy.
  ///
  /// - Throws: `malformedInput` for anything but a two-dimensional float array, `truncatedInput`, `outOfMemory`.
  static func read(_ region: MemoryRegion, _ range: Range<Int>, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    let header = try NPYHeader(region.span.extracting(range))
    guard let type = header.elementType else {
      throw DPQError(
        .malformedInput, "holds \(typeName(header)) elements: save it as float32, float16 or float64")
    }
    guard header.shape.count == 2 else {
      throw DPQError(.malformedInput, "the array is \(header.shapeText), not a table of rows × dimension")
    }
    let (rows, dimension) = (header.shape[0], header.shape[1])
    let first = range.lowerBound + header.dataOffset
    let size = try TableShape.bytes(rows: rows, dimension: dimension, type: type)
    guard range.upperBound - first >= size else {
      throw TableShape.truncated(rows: rows, dimension: dimension, need: header.dataOffset + size, have: range.count)
    }
    if header.isBigEndian {
      try region.swapBytes(first..<first + size, elementBytes: type.byteCount)
    }
    if header.isFortranOrder && rows > 1 && dimension > 1 {
      let turned = try region.transposed(
        from: first, rows: rows, columns: dimension, elementBytes: type.byteCount)
      return EmbeddingTable(
        storage: turned, rows: rows, dimension: dimension, elementType: type, sourceBytes: sourceBytes)
    }
    return EmbeddingTable(
      storage: region, byteOffset: first, rows: rows, dimension: dimension, elementType: type, sourceBytes: sourceBytes)
  }

  private static func typeName(_ header: NPYHeader) -> String {
    switch header.kind {
    case "i": "int\(8 * header.elementBytes)"
    case "u": "uint\(8 * header.elementBytes)"
    case "f": "float\(8 * header.elementBytes)"
    case "c": "complex\(8 * header.elementBytes)"
    case "b": "bool"
    case "U", "S": "text"
    default: "'\(header.kind)\(header.elementBytes)'"
    }
  }
}
