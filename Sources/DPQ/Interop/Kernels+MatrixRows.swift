import CKernels

extension MatrixSlice {
  /// Sets row i of this slice to the row `ids[i]` of `source`, whose rows are as long.
  ///
  /// - Throws: `invalidArgument` for an id that is no row of `source`.
  package func gatherRows(_ ids: [Int32], of source: Matrix, threads: Int) throws(DPQError) {
    precondition(ids.count == rows.count && source.columns == columns.count)
    try DPQError.check(
      dpq_gather(
        source.pointer, source.rows, source.columns, ids, ids.count, Int32(clamping: threads), pointer, matrix.columns))
  }
}

extension Matrix {
  /// Adds row i of `source` to the row `places[i]` of this matrix, in the order of i.
  ///
  /// - Throws: `invalidArgument` for a place that is no row of this matrix.
  package func addRows(of source: MatrixSlice, at places: [Int32], threads: Int) throws(DPQError) {
    precondition(places.count == source.rows.count && columns == source.columns.count)
    try DPQError.check(
      dpq_scatter_add(
        source.pointer, source.matrix.columns, columns, places, places.count, Int32(clamping: threads), pointer, rows))
  }
}
