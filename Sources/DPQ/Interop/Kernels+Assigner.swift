import CKernels

/// The sums of one sweep of Lloyd's algorithm, a codeword after another.
struct Sweep: ~Copyable {
  /// Σ w·x, `[codebooks][codes][width]`.
  let sums: AlignedBuffer<Double>
  /// Σ w, `[codebooks][codes]`.
  let weights: AlignedBuffer<Double>
  /// Σ w·‖x − c‖², `[codebooks][codes]`.
  let errors: AlignedBuffer<Double>

  init(layout: CodeLayout) throws(DPQError) {
    let sums = try AlignedBuffer<Double>(count: layout.codebookCount)
    let weights = try AlignedBuffer<Double>(count: layout.codebooks * layout.codes)
    let errors = try AlignedBuffer<Double>(count: layout.codebooks * layout.codes)
    self.sums = sums
    self.weights = weights
    self.errors = errors
  }
}

/// A codebook made ready for assignment, with the memory it works in.
struct Assigner: ~Copyable {
  let layout: CodeLayout
  let threads: Int
  private let memory: AlignedBuffer<UInt8>
  private var workspace: AlignedBuffer<UInt8>
  private var assigner: OpaquePointer?

  /// An assigner of `layout` for work on `threads` threads; ``load(_:)`` gives it a codebook.
  init(layout: CodeLayout, threads: Int) throws(DPQError) {
    var kernelLayout = layout.kernelLayout
    let memory = try AlignedBuffer<UInt8>(count: dpq_assigner_bytes(&kernelLayout))
    let workspace = try AlignedBuffer<UInt8>(count: 0)
    self.layout = layout
    self.threads = threads
    self.memory = memory
    self.workspace = workspace
  }

  /// Makes `codebook` (`layout.codebookCount` values) the one that is assigned to.
  mutating func load(_ codebook: [Float]) throws(DPQError) {
    precondition(codebook.count == layout.codebookCount)
    var kernelLayout = layout.kernelLayout
    let memory = memory.bufferPointer
    try DPQError.check(
      dpq_assigner_init(
        &kernelLayout, codebook, dpq_similarity(DPQ_NEAREST), memory.baseAddress, memory.count, &assigner))
  }

  /// One sweep of Lloyd's algorithm over `rows`; `weights` holds a float32 a row.
  mutating func sweep(
    _ rows: Rows, weights: MemoryRegion?, into result: borrowing Sweep
  ) throws(DPQError) {
    precondition(assigner != nil && rows.dimension == layout.dimension)
    precondition(weights == nil || weights!.byteCount >= 4 * rows.count)
    try reserve(dpq_sweep_workspace_bytes(assigner, rows.count, Int32(clamping: threads)))
    let workspace = workspace.bufferPointer
    let sums = result.sums.pointer
    let counts = result.weights.pointer
    let errors = result.errors.pointer
    let factors = weights?.base.assumingMemoryBound(to: Float.self)
    let (assigner, threads) = (assigner, Int32(clamping: threads))
    try rows.with {
      dpq_sweep(assigner, $0, factors, threads, workspace.baseAddress, workspace.count, sums, counts, errors)
    }
    withExtendedLifetime(weights) {}
  }

  /// Writes the packed codes of `rows`, nearest codeword in float64, from row `first` of `output` on.
  mutating func encode(_ rows: Rows, into output: inout [UInt8], first: Int) throws(DPQError) {
    precondition(assigner != nil && rows.dimension == layout.dimension)
    precondition(first >= 0 && (first + rows.count) * layout.rowBytes <= output.count)
    try reserve(dpq_assign_workspace_bytes(assigner, Int32(clamping: threads)))
    let workspace = workspace.bufferPointer
    let (assigner, threads, offset) = (assigner, Int32(clamping: threads), first * layout.rowBytes)
    let result = output.withUnsafeMutableBufferPointer { codes in
      Result { () throws(DPQError) in
        try rows.with {
          dpq_encode(
            assigner, $0, Int32(DPQ_ASSIGN_EXACT), threads, workspace.baseAddress, workspace.count,
            codes.baseAddress! + offset)
        }
      }
    }
    try result.get()
  }

  /// Writes the codes of `rows`, `[rows][groups]`, one byte each where the layout has at most 256 codes, else two.
  ///
  /// - Parameter isExact: whether near ties are decided in float64, as ``encode(_:into:first:)`` does.
  mutating func assign(_ rows: Rows, isExact: Bool, into codes: borrowing AlignedBuffer<UInt8>) throws(DPQError) {
    precondition(assigner != nil && rows.dimension == layout.dimension)
    precondition(rows.count * layout.groups * dpq_code_bytes(layout.codes) <= codes.count)
    try reserve(dpq_assign_workspace_bytes(assigner, Int32(threads)))
    let workspace = workspace.bufferPointer
    let (assigner, threads, groups, target) = (assigner, Int32(threads), layout.groups, codes.pointer)
    try rows.with {
      dpq_assign(
        assigner, $0, Int32(isExact ? DPQ_ASSIGN_EXACT : DPQ_ASSIGN_FAST), threads, workspace.baseAddress,
        workspace.count, target, groups)
    }
  }

  private mutating func reserve(_ bytes: Int) throws(DPQError) {
    if workspace.count < bytes { workspace = try AlignedBuffer(count: bytes) }
  }
}
