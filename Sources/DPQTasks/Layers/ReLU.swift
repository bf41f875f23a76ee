import DPQ

/// max(x, 0), value by value.
public final class ReLU: Layer {
  private let output = Workspace()
  private let inputGradient = Workspace()
  private var result: Matrix?

  /// Makes the layer.
  public init() {}

  /// None.
  public var parameters: [Parameter] { [] }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }

  /// The positive values of `input`, zeros for the others; valid until the next call.
  public func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix {
    let result = try output.matrix(rows: input.rows, columns: input.columns)
    let from = input.values
    var to = result.mutableValues
    for i in from.indices { to[i] = max(from[i], 0) }
    self.result = training ? result : nil
    return result
  }

  /// The gradient where the output was positive; valid until the next call.
  public func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard let result else { preconditionFailure("backward without a training forward") }
    let gradient = try inputGradient.matrix(rows: upstream.rows, columns: upstream.columns)
    let (from, passed) = (upstream.values, result.values)
    var to = gradient.mutableValues
    for i in from.indices { to[i] = passed[i] > 0 ? from[i] : 0 }
    return gradient
  }
}
