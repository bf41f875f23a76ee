import DPQ

/// The matrix a layer writes to, kept while batches have the same shape.
final class Workspace {
  private var current: Matrix?

  /// A matrix of this shape with undefined values.
  func matrix(rows: Int, columns: Int) throws(DPQError) -> Matrix {
    if let current, current.rows == rows, current.columns == columns { return current }
    current = nil
    let matrix = try Matrix(rows: rows, columns: columns)
    current = matrix
    return matrix
  }
}
