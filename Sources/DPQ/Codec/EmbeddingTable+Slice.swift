extension EmbeddingTable {
  /// The rows `range` with their words, over the same memory.
  func slice(_ range: Range<Int>) -> EmbeddingTable {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return EmbeddingTable(
      storage: storage, byteOffset: byteOffset + range.lowerBound * dimension * elementType.byteCount,
      rows: range.count, dimension: dimension, elementType: elementType,
      vocabulary: range.count == rows ? vocabulary : vocabulary?.slice(range), sourceBytes: sourceBytes)
  }
}

extension Vocabulary {
  /// The words of the rows `range`.
  func slice(_ range: Range<Int>) -> Vocabulary {
    let first = offsets[range.lowerBound]
    return Vocabulary(
      bytes: Array(bytes[Int(first)..<Int(offsets[range.upperBound])]),
      offsets: offsets[range.lowerBound...range.upperBound].map { $0 - first })
  }

  /// These words followed by those of `other`.
  func joined(with other: Vocabulary) -> Vocabulary {
    let end = UInt64(bytes.count)
    return Vocabulary(bytes: bytes + other.bytes, offsets: offsets + other.offsets.dropFirst().map { $0 + end })
  }
}
