import CKernels

/// A matrix of which few values are not zero, in compressed rows: which rows of a table make up which example.
package struct SparseMatrix {
  /// Number of columns.
  package let columns: Int
  /// Where the entries of each row start, and at the end where the last ones stop.
  private var offsets: [Int64] = [0]
  /// Column and value of each entry.
  private var ids: [Int32] = []
  private var weights: [Float] = []

  /// A matrix of `columns` columns without rows.
  package init(columns: Int) { self.columns = columns }

  /// Number of rows.
  package var rows: Int { offsets.count - 1 }

  /// Adds a row with the same `weight` in each column of `columns`; a column named twice counts twice.
  package mutating func appendRow(_ columns: some Sequence<Int32>, weight: Float) {
    ids.append(contentsOf: columns)
    weights.append(contentsOf: repeatElement(weight, count: ids.count - weights.count))
    offsets.append(Int64(ids.count))
  }

  /// The matrix with rows and columns exchanged; the entries of a row stand in the order of the old rows.
  package func transposed() -> SparseMatrix {
    var result = SparseMatrix(columns: rows)
    result.offsets = [Int64](repeating: 0, count: columns + 1)
    for id in ids { result.offsets[Int(id) + 1] += 1 }
    for column in 0..<columns { result.offsets[column + 1] += result.offsets[column] }
    var next = result.offsets
    result.ids = [Int32](repeating: 0, count: ids.count)
    result.weights = [Float](repeating: 0, count: ids.count)
    for row in 0..<rows {
      for entry in Int(offsets[row])..<Int(offsets[row + 1]) {
        let place = Int(next[Int(ids[entry])])
        next[Int(ids[entry])] += 1
        result.ids[place] = Int32(row)
        result.weights[place] = weights[entry]
      }
    }
    return result
  }

  /// Sets the first rows of `output`, `[rows × width]`, to this matrix times the first rows of `table`,
  /// `[columns × width]`.
  package func multiply(_ table: Matrix, into output: Matrix, threads: Int) throws(DPQError) {
    precondition(output.rows >= rows && output.columns == table.columns && table.rows >= columns)
    try DPQError.check(
      dpq_combine_rows(
        table.pointer, columns, table.columns, offsets, ids, weights, rows, Int32(clamping: threads), output.pointer)
    )
  }
}
