import CKernels

/// The step of a DPQ layer (Chen, Li, Sun 2020, sections 2–3) over a batch, with the workspace it needs.
///
/// Queries, outputs and gradients of both are `[batch][groups][width]`; keys, values and their gradients
/// `[codebooks · codes][width]`; statistics `[2][codes]`.
struct LayerKernel: ~Copyable {
  private var step: dpq_step
  private let threads: Int32
  private var workspace: AlignedBuffer<UInt8>

  /// A layer of `layout` whose sub-vectors have `width` values.
  init(
    layout: CodeLayout, width: Int, isSoftmax: Bool, isNormalized: Bool, epsilon: Float, threads: Int
  ) throws(DPQError) {
    step = dpq_step(
      batch: 0, groups: layout.groups, codes: layout.codes, width: width,
      variant: dpq_variant(isSoftmax ? DPQ_SX : DPQ_VQ), shared: layout.isShared ? 1 : 0,
      normalise: isNormalized ? 1 : 0, temperature: 1, epsilon: epsilon)
    self.threads = Int32(clamping: threads)
    workspace = try AlignedBuffer(count: 0)
  }

  private mutating func prepare(batch: Int, temperature: Float) throws(DPQError) {
    step.batch = batch
    step.temperature = temperature
    let bytes = dpq_step_workspace_bytes(&step, threads)
    if workspace.count < bytes { workspace = try AlignedBuffer(count: bytes) }
  }

  /// Codes and output of a batch by the statistics given, or by its own, which go to `used`. Returns the mean of
  /// (key − query)² over all elements, 0 for SX.
  mutating func forward(
    batch: Int, temperature: Float = 1, query: UnsafePointer<Float>, keys: Matrix, values: Matrix,
    statistics: UnsafePointer<Float>?, codes: UnsafeMutablePointer<UInt16>, output: UnsafeMutablePointer<Float>?,
    used: UnsafeMutablePointer<Float>?
  ) throws(DPQError) -> Double {
    try prepare(batch: batch, temperature: temperature)
    var regularization = 0.0
    let memory = workspace.bufferPointer
    try DPQError.check(
      dpq_step_forward(
        &step, query, keys.pointer, values.pointer, statistics, threads, memory.baseAddress, memory.count, codes,
        output, used, &regularization))
    return regularization
  }

  /// Gradients of a batch that went forward in training, with the codes and statistics it then had.
  mutating func backward(
    batch: Int, temperature: Float = 1, query: UnsafePointer<Float>, keys: Matrix, values: Matrix,
    codes: UnsafePointer<UInt16>, statistics: UnsafePointer<Float>, upstream: UnsafePointer<Float>, keyWeight: Float,
    commitment: Float, queryGradient: UnsafeMutablePointer<Float>?, keyGradient: UnsafeMutablePointer<Float>,
    valueGradient: UnsafeMutablePointer<Float>?
  ) throws(DPQError) {
    try prepare(batch: batch, temperature: temperature)
    let memory = workspace.bufferPointer
    try DPQError.check(
      dpq_step_backward(
        &step, query, keys.pointer, values.pointer, codes, statistics, upstream, keyWeight, commitment, threads,
        memory.baseAddress, memory.count, queryGradient, keyGradient, valueGradient))
  }
}
