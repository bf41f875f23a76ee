/// Weights of a table's rows, such as word frequencies.
public struct RowWeights {
  /// Reads one weight for every row of `table` from a file: numbers, one a line in row order; or lines `word count`; or
  /// a one-dimensional `.npy` array of floats or whole numbers. gzip and zstd are undone, `-` is standard input.
  ///
  /// Lines `word count` may come in any order and name words the table does not have. A row that no line names
  /// weighs as much as the lightest row named.
  ///
  /// - Throws: `malformedInput` where a weight is missing, negative or not a number, all are zero, or their number
  ///   is not that of the rows; `inputNotFound`, `truncatedInput`, `inputOutput`.
  public static func read(_ path: String, table: EmbeddingTable) throws(DPQError) -> [Float] {
    do throws(DPQError) {
      var input = try InputFile(path)
      try input.stream.fill(1 << 16)
      let weights: [Float]
      if input.stream.window.starts(with: NPYHeader.magic) {
        weights = try array(input.contents())
      } else {
        weights = try lines(&input.stream, table)
      }
      guard weights.count == table.rows else {
        throw DPQError(.malformedInput, "has \(weights.count) weights, the table \(table.rows) rows")
      }
      for row in weights.indices where !(weights[row] >= 0 && weights[row].isFinite) {
        throw DPQError(
          .malformedInput, "a weight of \(weights[row]) is not possible: give numbers of at least 0", .init(row: row))
      }
      guard weights.contains(where: { $0 > 0 }) else { throw DPQError(.malformedInput, "every weight is zero") }
      return weights
    } catch {
      throw error.inFile(path)
    }
  }

  private static func lines(_ stream: inout ByteStream, _ table: EmbeddingTable) throws(DPQError) -> [Float] {
    var weights: [Float] = []
    var isNamed: Bool?
    var named: [Bool] = []
    var lightest = Float.infinity
    var number = 0
    func take(_ line: Span<UInt8>) throws(DPQError) {
      let end = TextRow.contentEnd(line)
      if end == 0 { return }
      var start = end
      while start > 0 && !TextRow.isSpace(line[start - 1]) { start -= 1 }
      guard let weight = DecimalFloat.value(line.extracting(start..<end)), weight >= 0, weight.isFinite else {
        throw DPQError(
          .malformedInput, "the line does not end with a weight, a number of at least 0", .init(line: number))
      }
      if isNamed == nil {
        isNamed = start > 0
        if start > 0 {
          guard table.vocabulary != nil else {
            throw DPQError(.malformedInput, "names words, which the table has not: give one number a line")
          }
          weights = [Float](repeating: 0, count: table.rows)
          named = [Bool](repeating: false, count: table.rows)
        }
      }
      guard isNamed == (start > 0) else {
        throw DPQError(
          .malformedInput,
          start > 0 ? "a word stands before the number, unlike above" : "no word stands before the number",
          .init(line: number))
      }
      if start == 0 {
        weights.append(weight)
      } else if let row = table.vocabulary?.id(of: line.text(0..<start - 1)) {
        weights[row] = weight
        named[row] = true
        lightest = min(lightest, weight)
      }
    }
    while let count = try stream.findLine() {
      number += 1
      try take(stream.window.extracting(0..<count))
      stream.skipLine(count)
    }
    if isNamed == true {
      guard lightest.isFinite else {
        throw DPQError(.malformedInput, "names no word of the table: give the frequencies that belong to it")
      }
      for row in weights.indices where !named[row] { weights[row] = lightest }
    }
    return weights
  }

  private static func array(_ region: MemoryRegion) throws(DPQError) -> [Float] {
    let header = try NPYHeader(region.span)
    guard header.shape.count == 1 else {
      throw DPQError(.malformedInput, "the array is \(header.shapeText): give one weight a row")
    }
    let count = header.shape[0]
    let size = header.elementBytes
    guard count <= (region.byteCount - header.dataOffset) / size else {
      throw DPQError(
        .truncatedInput, "announces \(count) weights, which the file is too short for", .init(byte: region.byteCount))
    }
    let bytes = region.span
    func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ i: Int, _ type: Value.Type) -> Value {
      let value: Value = bytes.integer(at: header.dataOffset + i * size)
      return header.isBigEndian ? value.byteSwapped : value
    }
    var weights: [Float] = []
    weights.reserveCapacity(count)
    for i in 0..<count {
      switch (header.kind, size) {
      case ("f", 2): weights.append(Float(Float16(bitPattern: integer(i, UInt16.self))))
      case ("f", 4): weights.append(Float(bitPattern: integer(i, UInt32.self)))
      case ("f", 8): weights.append(Float(Double(bitPattern: integer(i, UInt64.self))))
      case ("i", 4): weights.append(Float(integer(i, Int32.self)))
      case ("i", 8): weights.append(Float(integer(i, Int64.self)))
      case ("u", 4): weights.append(Float(integer(i, UInt32.self)))
      case ("u", 8): weights.append(Float(integer(i, UInt64.self)))
      default: throw DPQError(.malformedInput, "holds no weights: save them as float or as 32 or 64 bit whole numbers")
      }
    }
    return weights
  }
}
