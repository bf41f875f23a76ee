/// Values that are trained, with the gradient that the last backward pass left for them.
///
/// A gradient comes for all values at once, or, where a batch uses few rows of a large table, for those rows alone.
public final class Parameter {
  /// What checkpoints call it; different for each parameter of a model.
  public let name: String
  /// The values.
  public let value: Matrix
  /// Gradient of the loss: of every value when ``touchedRows`` is `nil`, else row i is that of row `touchedRows[i]` and
  /// rows beyond those mean nothing.
  public private(set) var gradient: Matrix
  /// The rows that the batch used, ascending and each once, when only those have gradients; `nil` when all have.
  public private(set) var touchedRows: [Int32]?

  /// Makes a parameter whose gradients come for all values at once.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, value: Matrix) throws(DPQError) {
    self.name = name
    self.value = value
    self.gradient = try Matrix(rows: value.rows, columns: value.columns)
  }

  /// Makes a parameter whose gradients come for some rows a batch: up to `touchedCapacity` of them without taking memory
  /// anew.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, value: Matrix, touchedCapacity: Int) throws(DPQError) {
    self.name = name
    self.value = value
    self.gradient = try Matrix(rows: min(touchedCapacity, value.rows), columns: value.columns)
    self.touchedRows = []
  }

  /// Rows of ``gradient`` that mean something.
  public var gradientRows: Int { touchedRows?.count ?? gradient.rows }

  /// Makes `rows`, ascending and each once, the rows that have gradients, all of them zero.
  ///
  /// - Throws: `outOfMemory`.
  public func prepareGradient(of rows: [Int32]) throws(DPQError) {
    precondition(rows.last.map { $0 < value.rows } ?? true && rows.first.map { $0 >= 0 } ?? true)
    if gradient.rows < rows.count {
      // A quarter more, so that batches of slightly different sizes do not each take memory.
      gradient = try Matrix(rows: min(rows.count + rows.count / 4, value.rows), columns: value.columns)
    } else {
      gradient.clear(rows: 0..<rows.count)
    }
    touchedRows = rows
  }
}
