/// Stochastic gradient descent with the gradient clipped by its global norm: value −= rate · gradient.
public final class SGD: Optimizer {
  /// What is moved.
  public let parameters: [Parameter]
  /// The step size; a schedule sets it between steps.
  public var rate: Float
  /// The largest norm that all gradients together may have; longer ones are scaled down to it. `nil`: never.
  public var clippingNorm: Float?
  private let threads: Int

  /// Makes an optimiser of `parameters`.
  ///
  /// - Parameter threads: 0 for all processors.
  public init(_ parameters: [Parameter], rate: Float, clippingNorm: Float? = nil, threads: Int = 0) {
    self.parameters = parameters
    self.rate = rate
    self.clippingNorm = clippingNorm
    self.threads = threads
  }

  /// Nothing: plain descent remembers no past.
  public var buffers: [(name: String, value: Matrix)] { [] }

  /// Moves every parameter by the gradient it holds.
  public func step() throws(DPQError) {
    var rate = rate
    if let clippingNorm {
      let norm = gradientNorm(threads: threads)
      if norm > Double(clippingNorm) { rate = Float(Double(rate) * Double(clippingNorm) / norm) }
    }
    for parameter in parameters { try parameter.descend(rate: rate, threads: threads) }
  }
}
