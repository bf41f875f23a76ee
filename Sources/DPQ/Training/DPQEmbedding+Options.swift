extension DPQEmbedding {
  /// How the layer chooses codes and passes gradients.
  public enum Variant: String, Sendable, CaseIterable {
    /// Softmax: codes by the largest product with a key, outputs from values, gradients through the softmax.
    case sx
    /// Vector quantization: codes by the nearest key, which is also the output; gradients straight through.
    case vq
  }

  /// What to make; the defaults are those of the paper.
  public struct Options: Sendable {
    /// How codes are chosen.
    public var variant: Variant
    /// Groups, codes and sharing of the rows.
    public var layout: CodeLayout
    /// SX: the softmax is taken of responses divided by this.
    public var temperature: Float = 1
    /// Whether responses are normalised: one mean and one variance a code, over batch and groups.
    public var normalizesResponse = true
    /// How much of the running statistics stays in a step.
    public var momentum: Float = 0.99
    /// Added to variances.
    public var epsilon: Float = 1e-3
    /// SX: whether values are the keys rather than parameters of their own.
    public var isTied = false
    /// VQ: weight α of the mean of (key − query)², which moves keys.
    public var keyWeight: Float = 1
    /// VQ: weight β of the same mean moving queries.
    public var commitment: Float = 0
    /// VQ: keys become moving averages of their queries, of which this much stays in a step, in place of gradients.
    public var keyAverageDecay: Float?
    /// Codes that no row of this many batches in a row chose restart at a query of the batch; `nil`: never.
    public var unusedLimit: Int?
    /// Queries, keys and values start evenly in [−scale, scale), as the table they replace would.
    public var initialScale: Float = 0.05
    /// The type exported codewords are stored in; rows outside training are made of codewords rounded to it.
    public var codebookStorage = Codebook.Storage.float32
    /// Whether the exported table holds what codes further rows, with codewords that then take twice their bytes.
    public var keepsEncoder = false
    /// Seeds every random choice.
    public var seed: UInt64 = 0
    /// Threads of the kernels, 0 for all processors; results are the same bytes at any number.
    public var threads = 0

    /// The defaults for a variant and a layout.
    public init(_ variant: Variant, _ layout: CodeLayout) {
      self.variant = variant
      self.layout = layout
    }

    /// Checks ranges, and that padding is possible where there is some.
    func check() throws(DPQError) {
      func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(DPQError) {
        if !condition { throw DPQError(.invalidArgument, message()) }
      }
      try require(temperature > 0 && temperature.isFinite, "the temperature is above 0, not \(temperature)")
      try require((0..<1).contains(momentum), "the momentum lies in 0..<1, not at \(momentum)")
      try require(epsilon > 0 && epsilon.isFinite, "epsilon is above 0, not \(epsilon)")
      try require(keyWeight >= 0 && commitment >= 0, "the weights of keys and commitment are not below 0")
      try require(keyAverageDecay.map { (0..<1).contains($0) } ?? true, "the decay of key averages lies in 0..<1")
      try require(keyAverageDecay == nil || variant == .vq, "only VQ has keys that are averages of queries")
      try require(!isTied || variant == .sx, "VQ has no values apart from its keys: leave them untied")
      try require(
        !keepsEncoder || !normalizesResponse || epsilon == ResponseEncoder.epsilon,
        "files with an encoder have an epsilon of \(ResponseEncoder.epsilon), not \(epsilon)")
      try require(unusedLimit.map { $0 > 0 } ?? true, "codes restart after at least one batch")
      let (dimension, groups) = (layout.dimension, layout.groups)
      if variant == .vq && layout.isShared && dimension % groups != 0 {
        let below = stride(from: groups, through: 1, by: -1).first { dimension % $0 == 0 } ?? 1
        let above = (groups...dimension).first { dimension % $0 == 0 } ?? dimension
        throw DPQError(
          .invalidArgument,
          "VQ with a shared codebook needs groups that divide the dimension \(dimension): \(below) or \(above), not \(groups)"
        )
      }
    }
  }
}
