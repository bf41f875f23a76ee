import CKernels

extension CompressedTable {
  /// Row `id`, decoded.
  ///
  /// - Throws: `unknownRow` outside the table.
  public func row(_ id: Int) throws(DPQError) -> [Float] {
    var values = [Float](repeating: 0, count: dimension)
    var span = values.mutableSpan
    try read(first: id, count: 1, into: &span)
    return values
  }

  /// Rows `ids`, decoded to `output`, one after another.
  ///
  /// - Throws: `unknownRow` for an id outside the table, before anything is written; `invalidArgument` where `output` is
  ///   not `ids.count × dimension` long.
  public func lookup(_ ids: Span<Int>, into output: inout MutableSpan<Float>) throws(DPQError) {
    guard ids.count.multipliedReportingOverflow(by: dimension) == (output.count, false) else {
      throw DPQError(.invalidArgument, "\(ids.count) rows of \(dimension) do not fit \(output.count) values")
    }
    let (handle, dimension) = (handle, dimension)
    var error = dpq_error()
    let status = ids.withUnsafeBufferPointer { ids in
      ids.withMemoryRebound(to: Int64.self) { ids in
        output.withUnsafeMutableBufferPointer {
          dpq_table_lookup(
            handle, ids.baseAddress, ids.count, dpq_outside(DPQ_OUTSIDE_ERROR), $0.baseAddress, dimension, &error)
        }
      }
    }
    try DPQError.check(status, error, file: path)
  }

  /// Rows `[first, first + count)`, decoded to `output`, one after another.
  ///
  /// - Parameter threads: 0 for all processors. The values are the same at any number.
  /// - Throws: `unknownRow` outside the table; `invalidArgument` where `output` is not `count × dimension` long.
  public func read(
    first: Int, count: Int, into output: inout MutableSpan<Float>, threads: Int = 1
  ) throws(DPQError) {
    guard first >= 0, count >= 0, first <= rows, count <= rows - first else {
      throw DPQError(
        .unknownRow, "\(count) rows from row \(first) on are outside the table of \(rows) rows", .init(file: path))
    }
    guard output.count == count * dimension else {
      throw DPQError(.invalidArgument, "\(count) rows of \(dimension) do not fit \(output.count) values")
    }
    var error = dpq_error()
    let (handle, dimension) = (handle, dimension)
    let status = output.withUnsafeMutableBufferPointer {
      dpq_table_read_parallel(
        handle, UInt64(first), count, $0.baseAddress, dimension, Int32(clamping: threads), &error)
    }
    try DPQError.check(status, error, file: path)
  }

  /// The `count` rows nearest to `query`, best first, the lower id first among equals, without row `excluding`.
  ///
  /// The query is compared with every row by look-up tables over the codes; rows of concat tiers are
  /// not decoded. Complexity: O(rows · groups + codes · dimension).
  ///
  /// - Throws: `invalidArgument` where the query is not `dimension` long or holds a value that is not finite.
  public func neighbors(
    of query: Span<Float>, count: Int, similarity: Similarity = .cosine, excluding: Int? = nil
  ) throws(DPQError) -> [Neighbor] {
    guard query.count == dimension, count >= 0 else {
      throw DPQError(.invalidArgument, "a query of \(query.count) values does not fit rows of \(dimension)")
    }
    let wanted = min(count, rows)
    let search =
      switch similarity {
      case .cosine: DPQ_SEARCH_COSINE
      case .dot: DPQ_SEARCH_DOT
      case .l2: DPQ_SEARCH_L2
      }
    let workspace = try AlignedBuffer<UInt8>(count: dpq_table_neighbors_workspace_bytes(handle, wanted))
    var ids = [Int64](repeating: 0, count: wanted)
    var scores = [Float](repeating: 0, count: wanted)
    var found = 0
    var error = dpq_error()
    let handle = handle
    let memory = workspace.bufferPointer
    let status = query.withUnsafeBufferPointer {
      dpq_table_neighbors(
        handle, $0.baseAddress, dpq_search(search), wanted, Int64(excluding ?? -1), memory.baseAddress, memory.count,
        &ids, &scores, &found, &error)
    }
    try DPQError.check(status, error, file: path)
    return (0..<found).map { Neighbor(id: Int(ids[$0]), score: scores[$0]) }
  }
}
