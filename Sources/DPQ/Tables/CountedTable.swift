/// Reads the formats that are counts and float32 values, little endian, and nothing else.
enum CountedTable {
  /// `.fbin`: uint32 rows, uint32 dimension, the rows. Mapped without a copy.
  ///
  /// - Throws: `malformedInput`, `truncatedInput`.
  static func fbin(_ region: MemoryRegion, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    guard region.byteCount >= 8 else {
      throw DPQError(.truncatedInput, "ends within the counts of an fbin file", .init(byte: region.byteCount))
    }
    let rows = Int(region.span.integer(at: 0, as: UInt32.self))
    let dimension = Int(region.span.integer(at: 4, as: UInt32.self))
    let need = 8 + (try TableShape.bytes(rows: rows, dimension: dimension))
    guard region.byteCount >= need else {
      throw TableShape.truncated(rows: rows, dimension: dimension, need: need, have: region.byteCount)
    }
    guard region.byteCount == need else {
      throw DPQError(
        .malformedInput,
        "\(region.byteCount - need) bytes follow the table of \(rows) × \(dimension)", .init(byte: need))
    }
    return EmbeddingTable(
      storage: region, byteOffset: 8, rows: rows, dimension: dimension, sourceBytes: sourceBytes)
  }

  /// `.fvecs`: each row as an int32 dimension and its values. The rows are moved together in place.
  ///
  /// - Throws: `malformedInput` where the dimension changes, `truncatedInput`, `outOfMemory`.
  static func fvecs(_ region: MemoryRegion, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    guard region.byteCount >= 4 else { throw incomplete(row: 0, byte: region.byteCount) }
    let dimension = Int(region.span.integer(at: 0, as: Int32.self))
    guard dimension > 0 else {
      throw DPQError(.malformedInput, "a row of \(dimension) values is not possible", .init(row: 0, byte: 0))
    }
    let stride = 4 + 4 * dimension
    let rows = region.byteCount / stride
    for row in 0..<rows {
      let width = Int(region.span.integer(at: row * stride, as: Int32.self))
      guard width == dimension else {
        throw DPQError(
          .malformedInput, "the row has \(width) values, the ones before it \(dimension)",
          .init(row: row, byte: row * stride))
      }
    }
    guard rows * stride == region.byteCount else { throw incomplete(row: rows, byte: region.byteCount) }
    try region.closeGaps(rows: rows, gap: 4, rowBytes: 4 * dimension)
    return EmbeddingTable(storage: region, rows: rows, dimension: dimension, sourceBytes: sourceBytes)
  }

  private static func incomplete(row: Int, byte: Int) -> DPQError {
    DPQError(.truncatedInput, "ends within a row: it is incomplete", .init(row: row, byte: byte))
  }
}
