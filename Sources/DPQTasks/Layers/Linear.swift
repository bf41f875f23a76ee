import DPQ

/// A linear map with bias: output = input · weightsᵀ + bias.
public final class Linear: Layer {
  /// Weights `[outputs × inputs]`, bias `[1 × outputs]`.
  public let parameters: [Parameter]
  private let threads: Int
  private let output = Workspace()
  private let inputGradient = Workspace()
  private var input: Matrix?

  /// Makes a layer whose weights and bias are drawn from [−scale, scale); different `stream`s of a seed are unrelated.
  ///
  /// - Throws: `outOfMemory`.
  public init(
    name: String, inputs: Int, outputs: Int, scale: Float, seed: UInt64, stream: UInt64, threads: Int
  ) throws(DPQError) {
    let weights = try Parameter(name: "\(name).weights", value: Matrix(rows: outputs, columns: inputs))
    let bias = try Parameter(name: "\(name).bias", value: Matrix(rows: 1, columns: outputs))
    weights.value.fillUniformly(scale: scale, seed: seed, stream: 2 * stream)
    bias.value.fillUniformly(scale: scale, seed: seed, stream: 2 * stream + 1)
    self.parameters = [weights, bias]
    self.threads = threads
  }

  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }

  /// The output `[rows × outputs]`, valid until the next call.
  public func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix {
    let (weights, bias) = (parameters[0].value, parameters[1].value)
    let result = try output.matrix(rows: input.rows, columns: weights.rows)
    try result.all.setProduct(.plain(input.all), .transposed(weights.all), plus: .row(bias), threads: threads)
    self.input = training ? input : nil
    return result
  }

  /// The gradient `[rows × inputs]`, valid until the next call.
  public func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard let input else { preconditionFailure("backward without a training forward") }
    let (weights, bias) = (parameters[0], parameters[1])
    try weights.gradient.all.setProduct(.transposed(upstream.all), .plain(input.all), threads: threads)
    try upstream.all.sumRows(into: bias.gradient, threads: threads)
    let result = try inputGradient.matrix(rows: input.rows, columns: input.columns)
    try result.all.setProduct(.plain(upstream.all), .plain(weights.value.all), threads: threads)
    return result
  }
}
