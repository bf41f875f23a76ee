/// Arrays in `.npy` files that are no tables: codebooks, codes, lists of row numbers.
package struct NPYArray {
  /// Length of each axis.
  package let shape: [Int]
  private let region: MemoryRegion
  private let offset: Int

  /// Opens an array of `axes` axes whose elements are of `kind` (NumPy's letter) and `elementBytes` long.
  ///
  /// - Throws: `inputNotFound`, `inputOutput`; `malformedInput` for any other array, `truncatedInput`.
  private init(_ path: String, kind: Character, elementBytes: Int, axes: Int) throws(DPQError) {
    do throws(DPQError) {
      var input = try InputFile(path)
      let region = try input.contents()
      guard region.span.starts(with: NPYHeader.magic) else { throw DPQError(.malformedInput, "is no npy file") }
      let header = try NPYHeader(region.span)
      guard header.kind == kind, header.elementBytes == elementBytes, !header.isBigEndian,
        !header.isFortranOrder || axes == 1
      else {
        throw DPQError(.malformedInput, "its elements must be '<\(kind)\(elementBytes)', in C order")
      }
      guard header.shape.count == axes, !header.shape.contains(0) else {
        throw DPQError(.malformedInput, "the array is \(header.shapeText): it must have \(axes) axes, none empty")
      }
      var bytes = elementBytes
      for length in header.shape {
        let (product, overflow) = bytes.multipliedReportingOverflow(by: length)
        guard !overflow, product <= region.byteCount - header.dataOffset else {
          throw DPQError(.truncatedInput, "ends before an array of \(header.shapeText)", .init(byte: region.byteCount))
        }
        bytes = product
      }
      self.shape = header.shape
      self.region = region
      self.offset = header.dataOffset
    } catch {
      throw error.inFile(path)
    }
  }

  private func elements<Value: FixedWidthInteger & BitwiseCopyable>(as type: Value.Type) -> [Value] {
    let bytes = region.span
    return (0..<shape.reduce(1, *)).map { bytes.integer(at: offset + $0 * MemoryLayout<Value>.size) }
  }

  /// Row numbers: int64, one axis.
  package static func integers(_ path: String) throws(DPQError) -> [Int] {
    try NPYArray(path, kind: "i", elementBytes: 8, axes: 1).elements(as: Int64.self).map { Int($0) }
  }

  /// float32 values with `axes` axes.
  package static func floats(_ path: String, axes: Int) throws(DPQError) -> (shape: [Int], values: [Float]) {
    let array = try NPYArray(path, kind: "f", elementBytes: 4, axes: axes)
    return (array.shape, array.elements(as: UInt32.self).map { Float(bitPattern: $0) })
  }
}

extension Codebook {
  /// Reads codewords `[groups, codes, width]`, float32, from an `.npy` file; with `[1, codes, width]` and more than one
  /// group asked for, one codebook serves all.
  ///
  /// - Parameters:
  ///   - dimension: values of the rows the codebook is for.
  ///   - groups: groups of a row, or `nil` for as many as there are codebooks.
  /// - Throws: `malformedInput` where the shape does not fit, `invalidArgument` for a layout that is not possible.
  package static func read(npy path: String, dimension: Int, groups: Int?) throws(DPQError) -> Codebook {
    let (shape, values) = try NPYArray.floats(path, axes: 3)
    let groups = groups ?? shape[0]
    let layout = try CodeLayout(dimension: dimension, groups: groups, codes: shape[1], isShared: shape[0] == 1)
    guard shape[0] == layout.codebooks, shape[2] == layout.width else {
      throw DPQError(
        .malformedInput,
        "codewords of \(shape.map(String.init).joined(separator: " × ")) do not fit rows of \(dimension) in \(groups) "
          + "groups: they must be \(layout.codebooks) × \(layout.codes) × \(layout.width)", .init(file: path))
    }
    return try Codebook(layout: layout, values: values)
  }

  /// Writes the codewords as float32 `[codebooks, codes, width]` to an `.npy` file.
  package func write(npy path: String, replacing: Bool) throws(DPQError) {
    var file = try AtomicFile(path: path, replacing: replacing)
    try file.write(NPYHeader.bytes(shape: [layout.codebooks, layout.codes, layout.width]).span)
    try file.write(values.span)
    try file.commit()
  }
}

/// Codes that are not packed, `[rows][groups]`.
package struct CodeMatrix: Sendable {
  /// Number of rows.
  package let rows: Int
  /// How the rows are coded.
  package let layout: CodeLayout
  let memory: MemoryRegion

  /// Bytes of one code: 1 up to 256 codes, else 2.
  package static func elementBytes(_ layout: CodeLayout) -> Int { layout.codes <= 256 ? 1 : 2 }

  /// Writes the codes, u8 or u16 above 256 codes, to an `.npy` file.
  package func write(npy path: String, replacing: Bool) throws(DPQError) {
    let size = Self.elementBytes(layout)
    var file = try AtomicFile(path: path, replacing: replacing)
    try file.write(NPYHeader.bytes(descr: size == 1 ? "|u1" : "<u2", shape: [rows, layout.groups]).span)
    try file.write(memory.span.extracting(first: rows * layout.groups * size))
    try file.commit()
  }
}
