import DPQ

extension Matrix {
  /// The column of the largest value of a row, the first of several.
  func largest(inRow row: Int) -> Int {
    var best = 0
    for column in 1..<max(columns, 1) where self[row, column] > self[row, best] { best = column }
    return best
  }
}
