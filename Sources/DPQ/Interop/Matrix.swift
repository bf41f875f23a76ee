/// Float32 values in rows and columns, row after row in aligned memory: parameters, gradients and activations.
///
/// A reference: layers, optimisers and checkpoints work on the same values. One thread at a time may write.
public final class Matrix: @unchecked Sendable {
  /// Number of rows.
  public let rows: Int
  /// Values a row.
  public let columns: Int
  private let memory: AlignedBuffer<Float>

  /// A matrix of zeros.
  ///
  /// - Throws: `outOfMemory`.
  public init(rows: Int, columns: Int) throws(DPQError) {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, columns >= 0, !overflow else {
      throw DPQError(.invalidArgument, "there is no matrix of \(rows) × \(columns) values")
    }
    // Optimizers touch their state where rows are used, and most of a large table may never be.
    let memory = try AlignedBuffer<Float>(count: count, isSparse: true)
    self.rows = rows
    self.columns = columns
    self.memory = memory
  }

  /// `rows` rows of `values`, copied.
  ///
  /// - Throws: `outOfMemory`.
  convenience init(_ values: [Float], rows: Int) throws(DPQError) {
    try self.init(rows: rows, columns: values.count / max(1, rows))
    read(values.span)
  }

  /// The rows of `table`, copied as float32.
  ///
  /// - Parameter threads: 0 for all processors.
  /// - Throws: `outOfMemory`.
  public init(_ table: EmbeddingTable, threads: Int = 0) throws(DPQError) {
    let memory = try AlignedBuffer<Float>(count: table.rows * table.dimension)
    try Rows(table).read(first: 0, count: table.rows, into: memory, stride: table.dimension, threads: threads)
    self.rows = table.rows
    self.columns = table.dimension
    self.memory = memory
  }

  /// Number of values.
  public var count: Int { memory.count }

  /// All values, row after row.
  public var values: Span<Float> {
    @_lifetime(borrow self)
    get { _overrideLifetime(Span(_unsafeStart: UnsafePointer(pointer), count: count), borrowing: self) }
  }

  /// All values, row after row, to be written; nobody else may read or write them meanwhile.
  public var mutableValues: MutableSpan<Float> {
    @_lifetime(borrow self)
    get { _overrideLifetime(MutableSpan(_unsafeStart: pointer, count: count), borrowing: self) }
  }

  /// The first `count` rows.
  @_lifetime(borrow self)
  package func values(first count: Int) -> Span<Float> {
    precondition(count >= 0 && count <= rows)
    return _overrideLifetime(Span(_unsafeStart: UnsafePointer(pointer), count: count * columns), borrowing: self)
  }

  /// The first `count` rows, to be written; nobody else may read or write them meanwhile.
  @_lifetime(borrow self)
  package func mutableValues(first count: Int) -> MutableSpan<Float> {
    precondition(count >= 0 && count <= rows)
    return _overrideLifetime(MutableSpan(_unsafeStart: pointer, count: count * columns), borrowing: self)
  }

  /// The value in `row` and `column`.
  public subscript(row: Int, column: Int) -> Float {
    get {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns)
      return memory.pointer[row * columns + column]
    }
    set {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns)
      memory.pointer[row * columns + column] = newValue
    }
  }

  /// All values, copied.
  public var array: [Float] { [Float](memory.bufferPointer) }

  /// Copies all values to `output`, which is as long.
  func write(to output: inout MutableSpan<Float>) {
    precondition(output.count == count)
    output.withUnsafeMutableBufferPointer { $0.baseAddress?.update(from: pointer, count: count) }
  }

  /// Takes over `values`, which are as many.
  func read(_ values: Span<Float>) {
    precondition(values.count == count)
    values.withUnsafeBufferPointer { if let base = $0.baseAddress { pointer.update(from: base, count: count) } }
  }

  /// Makes the rows of `range` zero.
  public func clear(rows range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    (memory.pointer + range.lowerBound * columns).update(repeating: 0, count: range.count * columns)
  }

  /// Fills the matrix with numbers drawn evenly from [middle − scale, middle + scale).
  ///
  /// Different `stream`s of a seed are unrelated, so each parameter of a model takes one of its own.
  public func fillUniformly(scale: Float, around middle: Float = 0, seed: UInt64, stream: UInt64) {
    var generator = SeededGenerator(seed: seed, stream: stream)
    for i in 0..<count { memory.pointer[i] = middle + scale * Float(2 * generator.uniform() - 1) }
  }

  /// Takes over the values of `other`, which has the same shape.
  public func copy(from other: Matrix) {
    precondition(other.rows == rows && other.columns == columns)
    memory.pointer.update(from: other.memory.pointer, count: count)
  }

  /// The memory, for the wrappers of kernels beside this file.
  var pointer: UnsafeMutablePointer<Float> { memory.pointer }
}
