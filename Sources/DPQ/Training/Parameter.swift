/// Values that are trained, with the gradient that the last backward pass left for them.
public final class Parameter {
  /// What checkpoints call it; different for each parameter of a model.
  public let name: String
  /// The values.
  public let value: Matrix
  /// Gradient of the loss: of every value when ``touchedRows`` is `nil`, else row i is that of row `touchedRows[i]`.
  public let gradient: Matrix
  /// The rows that the batch used, ascending and each once, when only those have gradients; `nil` when all have.
  public var touchedRows: [Int32]?

  /// Makes a parameter whose gradients come for all values at once.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, value: Matrix) throws(DPQError) {
    self.name = name
    self.value = value
    self.gradient = try Matrix(rows: value.rows, columns: value.columns)
  }

  /// Makes a parameter whose gradients come for up to `touchedCapacity` rows a batch.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, value: Matrix, touchedCapacity: Int) throws(DPQError) {
    self.name = name
    self.value = value
    self.gradient = try Matrix(rows: min(touchedCapacity, value.rows), columns: value.columns)
    self.touchedRows = []
  }
}
