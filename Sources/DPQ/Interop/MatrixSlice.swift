import CKernels

/// Some rows and columns of a matrix, as products take them.
package struct MatrixSlice {
  let matrix: Matrix
  let rows: Range<Int>
  let columns: Range<Int>

  /// The first value.
  var pointer: UnsafeMutablePointer<Float> {
    matrix.pointer + rows.lowerBound * matrix.columns + columns.lowerBound
  }
}

extension Matrix {
  /// The whole matrix.
  package var all: MatrixSlice { MatrixSlice(matrix: self, rows: 0..<rows, columns: 0..<columns) }

  /// The rows `range`.
  package subscript(rows range: Range<Int>) -> MatrixSlice {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return MatrixSlice(matrix: self, rows: range, columns: 0..<columns)
  }
}

extension MatrixSlice {
  /// These columns, counted from the first of the slice.
  package subscript(columns range: Range<Int>) -> MatrixSlice {
    precondition(range.lowerBound >= 0 && range.upperBound <= columns.count)
    let first = columns.lowerBound
    return MatrixSlice(
      matrix: matrix, rows: rows, columns: (first + range.lowerBound)..<(first + range.upperBound))
  }

  /// Takes over the values of a slice of the same shape; both hold whole rows.
  package func copy(from other: MatrixSlice) {
    precondition(rows.count == other.rows.count && columns.count == other.columns.count)
    precondition(columns.count == matrix.columns && other.columns.count == other.matrix.columns)
    pointer.update(from: other.pointer, count: rows.count * columns.count)
  }

  /// A factor of a product: the slice, or its transpose.
  package enum Factor {
    case plain(MatrixSlice)
    case transposed(MatrixSlice)

    var slice: MatrixSlice {
      switch self {
      case .plain(let slice), .transposed(let slice): slice
      }
    }
    var isTransposed: Bool { if case .transposed = self { true } else { false } }
    var rows: Int { isTransposed ? slice.columns.count : slice.rows.count }
    var columns: Int { isTransposed ? slice.rows.count : slice.columns.count }
  }

  /// What a product is added to.
  package enum Addend {
    /// Nothing: the product replaces the slice.
    case nothing
    /// What stands in the slice.
    case itself
    /// A row that is added to every row of the product.
    case row(Matrix)
  }

  /// Sets this slice to `a` times `b` plus `addend`.
  ///
  /// The same bytes at any thread count. The slice shares no memory with the factors.
  package func setProduct(
    _ a: Factor, _ b: Factor, plus addend: Addend = .nothing, threads: Int
  ) throws(DPQError) {
    precondition(a.rows == rows.count && b.columns == columns.count && a.columns == b.rows)
    var (accumulate, bias): (Int32, UnsafeMutablePointer<Float>?) = (0, nil)
    switch addend {
    case .nothing: break
    case .itself: accumulate = 1
    case .row(let row):
      precondition(row.count == columns.count)
      bias = row.pointer
    }
    var product = dpq_product(
      m: rows.count, n: columns.count, k: a.columns, lda: a.slice.matrix.columns, ldb: b.slice.matrix.columns,
      ldc: matrix.columns, transpose_a: a.isTransposed ? 1 : 0, transpose_b: b.isTransposed ? 1 : 0,
      accumulate: accumulate)
    try DPQError.check(
      dpq_matrix_multiply(&product, a.slice.pointer, b.slice.pointer, bias, pointer, Int32(clamping: threads)))
  }

  /// Sets `output`, one row, to the sum of the rows of this slice.
  package func sumRows(into output: Matrix, threads: Int) throws(DPQError) {
    precondition(output.count == columns.count)
    try DPQError.check(
      dpq_column_sums(
        pointer, rows.count, columns.count, matrix.columns, output.pointer, Int32(clamping: threads)))
  }
}
