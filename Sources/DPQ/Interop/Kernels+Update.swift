import CKernels

extension Parameter {
  /// Moves the values against the gradient: value −= rate · gradient.
  func descend(rate: Float, threads: Int) throws(DPQError) {
    try update { (update) throws(DPQError) in
      try DPQError.check(dpq_sgd_step(update, rate, Int32(clamping: threads)))
    }
  }

  /// A step of Adam with the moments `first` and `second`; `rate` already holds the correction of their bias.
  func adam(
    first: Matrix, second: Matrix, decay: (Float, Float), rate: Float, epsilon: Float, threads: Int
  ) throws(DPQError) {
    try update { (update) throws(DPQError) in
      try DPQError.check(
        dpq_adam_step(
          update, first.pointer, second.pointer, decay.0, decay.1, rate, epsilon, Int32(clamping: threads)))
    }
  }

  /// Σ of the squares of the gradient.
  func squaredGradientNorm(threads: Int) -> Double {
    dpq_squared_norm(gradient.pointer, gradientRows * gradient.columns, Int32(clamping: threads))
  }

  private func update(_ body: (UnsafePointer<dpq_update>) throws(DPQError) -> Void) throws(DPQError) {
    let rows = touchedRows
    let result = rows.withUnsafeRows { rows in
      var update = dpq_update(
        values: value.pointer, value_rows: value.rows, columns: value.columns, gradient: gradient.pointer, rows: rows,
        count: gradientRows)
      return Result { () throws(DPQError) in try body(&update) }
    }
    try result.get()
  }
}

extension [Int32]? {
  /// Calls `body` with the address of the ids, or with `nil` where there is no array.
  fileprivate func withUnsafeRows<R>(_ body: (UnsafePointer<Int32>?) -> R) -> R {
    guard let rows = self else { return body(nil) }
    return rows.withUnsafeBufferPointer {
      $0.isEmpty ? [0].withUnsafeBufferPointer { body($0.baseAddress) } : body($0.baseAddress)
    }
  }
}

extension Matrix {
  /// Writes the rows `ids` to `output`, one after another.
  func gather(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, threads: Int) throws(DPQError) {
    precondition(output.count == ids.count * columns)
    let result = output.withUnsafeMutableBufferPointer { output in
      Result { () throws(DPQError) in
        if let base = output.baseAddress { try gather(ids, to: base, stride: columns, threads: threads) }
      }
    }
    try result.get()
  }

  /// Writes the rows `ids` to `output`, whose rows are `stride` apart.
  func gather(
    _ ids: Span<Int32>, to output: UnsafeMutablePointer<Float>, stride: Int, threads: Int
  ) throws(DPQError) {
    let status = ids.withUnsafeBufferPointer { ids in
      dpq_gather(pointer, rows, columns, ids.baseAddress, ids.count, Int32(clamping: threads), output, stride)
    }
    try DPQError.check(status)
  }
}

extension Parameter {
  /// Sets the gradient from that of a batch: rows with the same place add up, in the order of the batch.
  func scatter(_ upstream: Span<Float>, to rows: UniqueRows, threads: Int) throws(DPQError) {
    precondition(upstream.count == rows.places.count * gradient.columns)
    let result = upstream.withUnsafeBufferPointer { upstream in
      Result { () throws(DPQError) in
        try scatter(upstream.baseAddress, stride: gradient.columns, to: rows, threads: threads)
      }
    }
    try result.get()
  }

  /// The same for the leading columns of rows that are `stride` apart.
  func scatter(
    _ upstream: UnsafePointer<Float>?, stride: Int, to rows: UniqueRows, threads: Int
  ) throws(DPQError) {
    try prepareGradient(of: rows.ids)
    try DPQError.check(
      dpq_scatter_add(
        upstream, stride, gradient.columns, rows.places, rows.places.count, Int32(clamping: threads), gradient.pointer,
        rows.ids.count))
  }
}
