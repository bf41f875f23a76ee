import CKernels

extension EmbeddingTable {
  /// The table after the reader's options: words from another file, values that are not finite, words that stand twice.
  ///
  /// Only for a table nobody else has seen: rows are dropped and values replaced in place. `firstLine` is the line of row 0
  /// in a text file.
  func cleaned(_ options: TableReadOptions, firstLine: Int? = nil) throws(DPQError) -> EmbeddingTable {
    var table = self
    if let path = options.vocabularyPath {
      table = try with(vocabulary: Vocabulary.read(path, rows: rows))
    }
    var isDropped: [Bool] = []
    func drop(_ row: Int) {
      if isDropped.isEmpty { isDropped = [Bool](repeating: false, count: rows) }
      isDropped[row] = true
    }

    var row = try firstNonFinite(from: 0, threads: options.threads)
    while row < rows {
      switch options.nonFinite {
      case .error:
        let column = nonFiniteColumns(of: row).first ?? 0
        throw DPQError(
          .nonFiniteValue,
          "value \(column) is NaN or infinite as float32: repair it, or pass --non-finite zero or skip",
          .init(row: row, line: firstLine.map { $0 + row }))
      case .zero: try setZero(nonFiniteColumns(of: row), of: row)
      case .skip: drop(row)
      }
      row = try firstNonFinite(from: row + 1, threads: options.threads)
    }

    if let vocabulary = table.vocabulary {
      switch options.duplicates {
      case .error:
        if let pair = vocabulary.firstDuplicate(ignoring: isDropped) {
          throw DPQError(
            .duplicateWord,
            "the word \(vocabulary[pair.second]) names row \(pair.first) too: remove one, or pass --duplicates first or last",
            .init(row: pair.second, line: options.vocabularyPath == nil ? firstLine.map { $0 + pair.second } : nil))
        }
      case .first, .last:
        for row in vocabulary.repeatedRows(keeping: options.duplicates, ignoring: isDropped) { drop(row) }
      }
    }
    return isDropped.isEmpty ? table : try table.without(isDropped)
  }

  /// First row at or after `start` with a value that is not finite as float32, or `rows`.
  private func firstNonFinite(from start: Int, threads: Int) throws(DPQError) -> Int {
    if start >= rows { return rows }
    var view = view(first: start, count: rows - start)
    var found = 0
    try DPQError.check(dpq_rows_find_non_finite(&view, Int32(threads), &found))
    return start + found
  }

  private func nonFiniteColumns(of row: Int) -> [Int] {
    let values = storage.base + byteOffset + row * dimension * elementType.byteCount
    return (0..<dimension).filter { column in
      let value = values + column * elementType.byteCount
      switch elementType {
      case .float32: return !value.loadUnaligned(as: Float.self).isFinite
      case .float64: return !Float(value.loadUnaligned(as: Double.self)).isFinite
      case .float16: return value.loadUnaligned(as: UInt16.self) & 0x7C00 == 0x7C00
      case .bfloat16: return value.loadUnaligned(as: UInt16.self) & 0x7F80 == 0x7F80
      }
    }
  }

  private func setZero(_ columns: [Int], of row: Int) throws(DPQError) {
    let memory = try storage.beginEditing() + byteOffset + row * dimension * elementType.byteCount
    for column in columns {
      let size = elementType.byteCount
      (memory + column * size).initializeMemory(as: UInt8.self, repeating: 0, count: size)
    }
  }

  /// The table without the marked rows, moved together in place.
  private func without(_ isDropped: [Bool]) throws(DPQError) -> EmbeddingTable {
    let memory = try storage.beginEditing() + byteOffset
    let size = dimension * elementType.byteCount
    var kept = 0
    for row in 0..<rows where !isDropped[row] {
      if kept != row { (memory + kept * size).copyMemory(from: memory + row * size, byteCount: size) }
      kept += 1
    }
    guard kept > 0 else {
      throw DPQError(.nonFiniteValue, "every row holds a value that is NaN or infinite: no row is left")
    }
    return EmbeddingTable(
      storage: storage, byteOffset: byteOffset, rows: kept, dimension: dimension, elementType: elementType,
      vocabulary: vocabulary?.without(isDropped), sourceBytes: sourceBytes)
  }
}
