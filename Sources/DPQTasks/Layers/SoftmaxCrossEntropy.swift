import DPQ

/// Softmax over classes and the mean cross-entropy of the right ones, in nats.
public struct SoftmaxCrossEntropy {
  private let threads: Int
  private var losses: [Double] = []

  /// Makes the loss.
  public init(threads: Int) { self.threads = threads }

  /// The sum of the losses of all rows of `logits`, `[rows × classes]`; a row with a negative label counts 0.
  ///
  /// With `gradientScale` the logits are replaced by that many times the gradient of the sum; without they stay.
  ///
  /// - Throws: `invalidArgument` for a label that is no class.
  public mutating func callAsFunction(
    _ logits: Matrix, labels: Span<Int32>, gradientScale: Float? = nil
  ) throws(DPQError) -> Double {
    if losses.count != logits.rows { losses = [Double](repeating: 0, count: logits.rows) }
    try logits.crossEntropy(labels: labels, gradientScale: gradientScale, losses: &losses, threads: threads)
    return losses.reduce(0, +)
  }
}
