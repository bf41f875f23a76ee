import CKernels

extension Matrix {
  /// Softmax and cross-entropy of logits, one example a row: sets `losses` to the loss of each row in nats.
  ///
  /// With `gradientScale` the logits become that many times their gradient; without they stay. A negative label leaves
  /// its row out, with loss and gradient 0.
  ///
  /// - Throws: `invalidArgument` for a label that is no class.
  package func crossEntropy(
    labels: Span<Int32>, gradientScale: Float?, losses: inout [Double], threads: Int
  ) throws(DPQError) {
    precondition(labels.count == rows && losses.count == rows)
    let (logits, rows, columns) = (pointer, rows, columns)
    let status = labels.withUnsafeBufferPointer {
      dpq_cross_entropy(
        logits, rows, columns, $0.baseAddress, gradientScale ?? 0, &losses, Int32(clamping: threads))
    }
    try DPQError.check(status, "a label is not below \(columns), the number of classes")
  }

  /// Sets this matrix to `input` with dropout: a value is kept, divided by `keep`, with probability `keep`, else 0.
  ///
  /// The choice depends on `seed` and the place alone, so the backward pass is the same call on the gradient. `input`
  /// may be the matrix itself.
  package func setDropout(_ input: Matrix, keep: Float, seed: UInt64, threads: Int) throws(DPQError) {
    precondition(count == input.count)
    try DPQError.check(dpq_dropout(input.pointer, count, keep, seed, pointer, Int32(clamping: threads)))
  }
}

/// One time step of a batch of LSTM cells; all slices hold whole rows, an example each.
package enum LSTMCell {
  /// Turns the sums of `gates`, `[batch × 4 width]` in the order input, forget, cell, output, into the gates' values,
  /// and sets the new cell state, its tanh and the hidden state, `[batch × width]` each.
  package static func forward(
    gates: MatrixSlice, cell: MatrixSlice, newCell: MatrixSlice, squashed: MatrixSlice, hidden: MatrixSlice,
    threads: Int
  ) throws(DPQError) {
    check(gates, [cell, newCell, squashed, hidden])
    try DPQError.check(
      dpq_lstm_forward(
        cell.rows.count, cell.columns.count, gates.pointer, cell.pointer, newCell.pointer, squashed.pointer,
        hidden.pointer, Int32(clamping: threads)))
  }

  /// Turns the values of `gates` into the gradient by the sums that went into them, and `cellGradient`, by the new cell
  /// state, into that by the old one.
  package static func backward(
    gates: MatrixSlice, cell: MatrixSlice, squashed: MatrixSlice, hiddenGradient: MatrixSlice,
    cellGradient: MatrixSlice, threads: Int
  ) throws(DPQError) {
    check(gates, [cell, squashed, hiddenGradient, cellGradient])
    try DPQError.check(
      dpq_lstm_backward(
        cell.rows.count, cell.columns.count, gates.pointer, cell.pointer, squashed.pointer, hiddenGradient.pointer,
        cellGradient.pointer, Int32(clamping: threads)))
  }

  private static func check(_ gates: MatrixSlice, _ others: [MatrixSlice]) {
    for other in others {
      precondition(other.rows.count == gates.rows.count && 4 * other.columns.count == gates.columns.count)
      precondition(other.columns.count == other.matrix.columns)
    }
    precondition(gates.columns.count == gates.matrix.columns)
  }
}
