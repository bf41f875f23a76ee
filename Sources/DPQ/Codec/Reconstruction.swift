/// How far rebuilt rows are from the table.
struct Reconstruction {
  /// Σ w·‖x − x̂‖² of what codebooks describe: rows, or unit rows with the cosine metric.
  var objective = 0.0
  /// Σ w·‖x‖² of the same.
  var weightedNorm = 0.0
  var squaredError = 0.0
  var squaredNorm = 0.0
  var cosines = 0.0
  var cosineRows = 0
  var values = 0

  var mse: Double { values == 0 ? 0 : squaredError / Double(values) }
  var relativeError: Double { squaredNorm > 0 ? squaredError / squaredNorm : (squaredError > 0 ? .infinity : 0) }
  var weightedRelativeError: Double { weightedNorm > 0 ? objective / weightedNorm : (objective > 0 ? .infinity : 0) }
  var cosineMean: Double { cosineRows == 0 ? 1 : cosines / Double(cosineRows) }

  /// Adds row `i` of a comparison of the table with its reconstruction; returns the row's own error and its cosine
  /// (`nil` for a row of zeros).
  @discardableResult
  mutating func add(_ comparison: borrowing Rows.Comparison, _ i: Int) -> (relative: Double, cosine: Double?) {
    let (distance, norm) = (comparison.squaredDistance[i], comparison.squaredNorm[i])
    squaredError += distance
    squaredNorm += norm
    guard norm > 0 else { return (distance > 0 ? .infinity : 0, nil) }
    let lengths = (norm * comparison.otherSquaredNorm[i]).squareRoot()
    let cosine = lengths > 0 ? comparison.dot[i] / lengths : 0
    cosines += cosine
    cosineRows += 1
    return (distance / norm, cosine)
  }
}
