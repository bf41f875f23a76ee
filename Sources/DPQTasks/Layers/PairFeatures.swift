import DPQ

/// What is told of two vectors u and v: [u; v; |u − v|; u ⊙ v] (Conneau et al. 2017).
final class PairFeatures {
  private let output = Workspace()
  private let inputGradient = Workspace()
  private var input: Matrix?

  /// A row for each two rows of `input`, `[2 pairs × width]`: `[pairs × 4 width]`, valid until the next call.
  func forward(_ input: Matrix) throws(DPQError) -> Matrix {
    let (pairs, width) = (input.rows / 2, input.columns)
    let result = try output.matrix(rows: pairs, columns: 4 * width)
    self.input = input
    let from = input.values
    var to = result.mutableValues
    for pair in 0..<pairs {
      for c in 0..<width {
        let (u, v) = (from[2 * pair * width + c], from[(2 * pair + 1) * width + c])
        let place = 4 * pair * width + c
        to[place] = u
        to[place + width] = v
        to[place + 2 * width] = abs(u - v)
        to[place + 3 * width] = u * v
      }
    }
    return result
  }

  /// The gradient by the last input; valid until the next call.
  func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard let input else { preconditionFailure("backward without a forward") }
    let (pairs, width) = (input.rows / 2, input.columns)
    let gradient = try inputGradient.matrix(rows: input.rows, columns: width)
    let (values, from) = (input.values, upstream.values)
    var to = gradient.mutableValues
    for pair in 0..<pairs {
      for c in 0..<width {
        let (first, second) = (2 * pair * width + c, (2 * pair + 1) * width + c)
        let (u, v) = (values[first], values[second])
        let place = 4 * pair * width + c
        let byDistance = u > v ? from[place + 2 * width] : u < v ? -from[place + 2 * width] : 0
        to[first] = from[place] + byDistance + from[place + 3 * width] * v
        to[second] = from[place + width] - byDistance + from[place + 3 * width] * u
      }
    }
    return gradient
  }
}
