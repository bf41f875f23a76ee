/// Moves parameters against their gradients.
///
/// Where only some rows of a parameter have gradients (``Parameter/touchedRows``), only those rows and their state move,
/// as lazy optimisers do. Results are the same bytes at any thread count.
public protocol Optimizer: AnyObject {
  /// What is moved.
  var parameters: [Parameter] { get }
  /// The step size; a schedule sets it between steps.
  var rate: Float { get set }
  /// What a checkpoint must hold besides the parameters, by name.
  var buffers: [(name: String, value: Matrix)] { get }

  /// Moves every parameter by the gradient it holds.
  ///
  /// - Throws: `invalidArgument` where a gradient does not fit its parameter.
  func step() throws(DPQError)
}

extension Optimizer {
  /// The norm of all gradients together.
  ///
  /// - Parameter threads: 0 for all processors.
  public func gradientNorm(threads: Int = 0) -> Double {
    parameters.reduce(0) { $0 + $1.squaredGradientNorm(threads: threads) }.squareRoot()
  }
}
