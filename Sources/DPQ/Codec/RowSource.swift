/// Rows that can be read as float32, block after block: a plain or a compressed table.
public protocol RowSource: ~Copyable {
  /// Number of rows.
  var rows: Int { get }
  /// Values of a row.
  var dimension: Int { get }
  /// Copies rows `[first, first + count)` into `output`, row after row.
  ///
  /// - Throws: `unknownRow` outside the table; `invalidArgument` where `output` is not `count × dimension` long.
  func read(first: Int, count: Int, into output: inout MutableSpan<Float>, threads: Int) throws(DPQError)
}

extension EmbeddingTable: RowSource {}
extension CompressedTable: RowSource {}
