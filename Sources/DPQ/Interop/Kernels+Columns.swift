/// Rows as float32 with columns contiguous, `[dimension][count]`: what choosing first codewords reads.
struct Columns: ~Copyable {
  let count: Int
  let dimension: Int
  private let values: AlignedBuffer<Float>

  /// A copy of `rows`.
  init(_ rows: Rows) throws(DPQError) {
    let (count, dimension) = (rows.count, rows.dimension)
    let values = try AlignedBuffer<Float>(count: count * dimension)
    let block = 256
    let buffer = try AlignedBuffer<Float>(count: min(block, count) * dimension)
    for first in stride(from: 0, to: count, by: block) {
      let size = min(block, count - first)
      try rows.read(first: first, count: size, into: buffer, stride: dimension)
      for c in 0..<dimension {
        let (target, source) = (values.pointer + c * count + first, buffer.pointer + c)
        for i in 0..<size { target[i] = source[i * dimension] }
      }
    }
    self.count = count
    self.dimension = dimension
    self.values = values
  }

  /// Value of `row` in `column`.
  subscript(row: Int, column: Int) -> Float { values[column * count + row] }

  /// Lowers each `distances[i]` to ‖x_i − x_row‖² over columns `[first, first + width)` where that is less.
  func lower(
    _ distances: borrowing AlignedBuffer<Float>, scratch: borrowing AlignedBuffer<Float>, towards row: Int, first: Int,
    width: Int
  ) {
    precondition(row < count && first + width <= dimension && distances.count >= count && scratch.count >= count)
    let (sum, best) = (scratch.pointer, distances.pointer)
    for c in first..<(first + width) {
      let column = values.pointer + c * count
      let x = column[row]
      if c == first {
        for i in 0..<count { sum[i] = (column[i] - x) * (column[i] - x) }
      } else {
        for i in 0..<count { sum[i] += (column[i] - x) * (column[i] - x) }
      }
    }
    for i in 0..<count { best[i] = min(best[i], sum[i]) }
  }
}
