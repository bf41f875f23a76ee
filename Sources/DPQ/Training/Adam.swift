/// Adam (Kingma, Ba 2015) with lazy rows: rows that a batch does not use keep their values and moments.
///
/// The bias of the moments is corrected by the number of steps, for all rows alike.
public final class Adam: Optimizer {
  /// What is moved.
  public let parameters: [Parameter]
  /// The step size; a schedule sets it between steps.
  public var rate: Float
  private let decay: (Float, Float)
  private let epsilon: Float
  private let threads: Int
  private let moments: [(first: Matrix, second: Matrix)]
  /// What is left of the two decays after all steps: β₁ᵗ and β₂ᵗ.
  private let remaining: Matrix

  /// Makes an optimiser of `parameters`.
  ///
  /// - Parameters:
  ///   - decay: How much of the moments stays in a step, β₁ and β₂.
  ///   - epsilon: Added to the root of the second moment.
  ///   - threads: 0 for all processors.
  /// - Throws: `outOfMemory`.
  public init(
    _ parameters: [Parameter], rate: Float = 1e-3, decay: (Float, Float) = (0.9, 0.999), epsilon: Float = 1e-8,
    threads: Int = 0
  ) throws(DPQError) {
    self.parameters = parameters
    self.rate = rate
    self.decay = decay
    self.epsilon = epsilon
    self.threads = threads
    var moments: [(first: Matrix, second: Matrix)] = []
    for parameter in parameters {
      let first = try Matrix(rows: parameter.value.rows, columns: parameter.value.columns)
      moments.append((first, try Matrix(rows: first.rows, columns: first.columns)))
    }
    self.moments = moments
    self.remaining = try Matrix(rows: 1, columns: 2)
    remaining[0, 0] = 1
    remaining[0, 1] = 1
  }

  /// Both moments of each parameter, and what is left of the decays.
  public var buffers: [(name: String, value: Matrix)] {
    zip(parameters, moments).flatMap { parameter, moments in
      [("adam.\(parameter.name).first", moments.first), ("adam.\(parameter.name).second", moments.second)]
    } + [("adam.remaining", remaining)]
  }

  /// Moves every parameter by the gradient it holds.
  public func step() throws(DPQError) {
    remaining[0, 0] *= decay.0
    remaining[0, 1] *= decay.1
    let corrected = rate * (1 - remaining[0, 1]).squareRoot() / (1 - remaining[0, 0])
    for (parameter, moments) in zip(parameters, moments) {
      try parameter.adam(
        first: moments.first, second: moments.second, decay: decay, rate: corrected, epsilon: epsilon, threads: threads)
    }
  }

  /// Forgets what is known of row `row` of the `index`-th parameter, whose values were set from elsewhere.
  public func forget(row: Int, ofParameter index: Int) {
    moments[index].first.clear(rows: row..<(row + 1))
    moments[index].second.clear(rows: row..<(row + 1))
  }
}
