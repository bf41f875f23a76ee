import DPQ

/// Dropout (Srivastava et al. 2014): in training a value is kept, divided by `keep`, with probability `keep`.
///
/// Which ones is a function of the seed, the number of training batches seen and the place, so a run resumed with
/// ``batches`` restored goes on as it would have.
public final class Dropout: Layer {
  /// Probability that a value stays.
  public let keep: Float
  /// Training batches so far.
  public var batches: UInt64 = 0
  private let seed: UInt64
  private let threads: Int
  private let output = Workspace()
  private let inputGradient = Workspace()

  /// Makes a layer; `seed` tells layers of one model apart. With `keep` 1 nothing is dropped.
  public init(keep: Float, seed: UInt64, threads: Int) {
    precondition(keep > 0 && keep <= 1)
    self.keep = keep
    self.seed = seed
    self.threads = threads
  }

  /// None.
  public var parameters: [Parameter] { [] }
  /// None.
  public var buffers: [(name: String, value: Matrix)] { [] }

  private var batchSeed: UInt64 { (seed &+ 1) &* 0x9E37_79B9_7F4A_7C15 &+ batches &* 0xD1B5_4A32_D192_ED03 }

  /// The input with dropout, valid until the next call; the input itself where nothing is dropped.
  public func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix {
    guard training, keep < 1 else { return input }
    batches += 1
    let result = try output.matrix(rows: input.rows, columns: input.columns)
    try result.setDropout(input, keep: keep, seed: batchSeed, threads: threads)
    return result
  }

  /// The gradient with the same values dropped.
  public func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard keep < 1 else { return upstream }
    let result = try inputGradient.matrix(rows: upstream.rows, columns: upstream.columns)
    try result.setDropout(upstream, keep: keep, seed: batchSeed, threads: threads)
    return result
  }
}
