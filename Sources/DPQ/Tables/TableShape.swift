/// Checks that every reader makes of the counts a file announces.
enum TableShape {
  /// Bytes of `rows × dimension` elements.
  ///
  /// - Throws: `malformedInput` for no rows, no columns, or more than memory can address.
  static func bytes(rows: Int, dimension: Int, type: ElementType = .float32) throws(DPQError) -> Int {
    guard rows > 0 else { throw DPQError(.malformedInput, "the table has no rows") }
    guard dimension > 0 else { throw DPQError(.malformedInput, "the table's rows have no values") }
    let (count, overflow) = rows.multipliedReportingOverflow(by: dimension)
    let (bytes, overflowBytes) = count.multipliedReportingOverflow(by: max(type.byteCount, 4))
    guard !overflow, !overflowBytes, bytes < Int.max / 4 else {
      throw DPQError(.malformedInput, "a table of \(rows) × \(dimension) cannot be right")
    }
    return count * type.byteCount
  }

  /// The error for a file that stops before the end of its table.
  static func truncated(rows: Int, dimension: Int, need: Int, have: Int) -> DPQError {
    DPQError(
      .truncatedInput,
      "a table of \(rows) × \(dimension) needs \(need) bytes, the file has \(have): it is incomplete",
      .init(byte: have))
  }
}
