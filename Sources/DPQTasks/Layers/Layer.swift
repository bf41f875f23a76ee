import DPQ

/// A differentiable function of a matrix with one example a row.
public protocol Layer: AnyObject {
  /// What the optimiser moves.
  var parameters: [Parameter] { get }
  /// Everything else that a checkpoint must hold, by name.
  var buffers: [(name: String, value: Matrix)] { get }

  /// The output for `input`; with `training` the layer remembers what ``backward(_:)`` needs.
  func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix

  /// The gradient of the loss by the last training input from that by its output; sets the gradients of the parameters.
  func backward(_ upstream: Matrix) throws(DPQError) -> Matrix
}
