/// A table of `rows` × `dimension` numbers, one embedding a row, with or without a word for each.
///
/// The numbers stay where they were read from, in the type they were stored in (a mapped `.npy` file costs no copy);
/// they become `float32` as they are used. Copies of the value share the memory, which is never written.
public struct EmbeddingTable: Sendable {
  /// Number of rows.
  public let rows: Int
  /// Values of a row.
  public let dimension: Int
  /// The type the values are stored in.
  public let elementType: ElementType
  /// One word a row, if the table has words.
  public let vocabulary: Vocabulary?
  /// Bytes of the input as stored: the file, or the memory given.
  public let sourceBytes: Int

  /// The memory that holds the values, row-major without gaps between rows, from `byteOffset` on (any alignment).
  let storage: MemoryRegion
  let byteOffset: Int

  /// Makes a table over memory already filled.
  ///
  /// The caller has checked that `rows × dimension` elements lie in the region.
  init(
    storage: MemoryRegion, byteOffset: Int = 0, rows: Int, dimension: Int, elementType: ElementType = .float32,
    vocabulary: Vocabulary? = nil, sourceBytes: Int
  ) {
    precondition(byteOffset >= 0 && byteOffset + rows * dimension * elementType.byteCount <= storage.byteCount)
    self.storage = storage
    self.byteOffset = byteOffset
    self.rows = rows
    self.dimension = dimension
    self.elementType = elementType
    self.vocabulary = vocabulary
    self.sourceBytes = sourceBytes
  }

  /// Makes a table by copying `values`, row-major.
  ///
  /// - Throws: `invalidArgument` where the counts do not fit together.
  public init(rows: Int, dimension: Int, values: Span<Float>, vocabulary: Vocabulary? = nil) throws(DPQError) {
    guard rows >= 0, dimension >= 1, rows.multipliedReportingOverflow(by: dimension) == (values.count, false) else {
      throw DPQError(.invalidArgument, "\(values.count) values do not make \(rows) rows of \(dimension)")
    }
    guard vocabulary == nil || vocabulary?.count == rows else {
      throw DPQError(.invalidArgument, "\(vocabulary!.count) words do not fit \(rows) rows")
    }
    let buffer = try AlignedBuffer<Float>(count: values.count)
    for i in values.indices { buffer[i] = values[i] }
    self.init(
      storage: buffer.share(), rows: rows, dimension: dimension, vocabulary: vocabulary, sourceBytes: 4 * values.count)
  }

  /// The same values with other words.
  ///
  /// - Throws: `invalidArgument` where their number is not `rows`.
  public func with(vocabulary: Vocabulary?) throws(DPQError) -> EmbeddingTable {
    guard vocabulary == nil || vocabulary?.count == rows else {
      throw DPQError(.invalidArgument, "the vocabulary has \(vocabulary!.count) words, the table \(rows) rows")
    }
    return EmbeddingTable(
      storage: storage, byteOffset: byteOffset, rows: rows, dimension: dimension, elementType: elementType,
      vocabulary: vocabulary, sourceBytes: sourceBytes)
  }

  /// 4 · rows · dimension: what the table takes as float32, the numerator of every ratio.
  public var tableBytes: Int { 4 * rows * dimension }
}
