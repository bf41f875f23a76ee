import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A kernel at one shape, with its data made and its memory taken: calling it does the work once.
public final class KernelWork {
  /// Kernel and shape, `assign 300 50x256`.
  public let name: String
  /// Rows of one run.
  public let rows: Int
  private let body: (Int32) -> dpq_status

  init(_ name: String, rows: Int, body: @escaping (_ threads: Int32) -> dpq_status) {
    self.name = name
    self.rows = rows
    self.body = body
  }

  /// Does the work at the instruction-set level `level`, on `threads` threads.
  public func run(level: String, threads: Int = 1) {
    check(dpq_isa_select(level))
    check(body(Int32(threads)))
  }

  /// Levels this machine can run, best first.
  public static var levels: [String] {
    var names: [String] = []
    var next = dpq_isa_available()
    while let name = next?.pointee {
      names.append(String(cString: name))
      next = next?.successor()
    }
    return names
  }
}

private func check(_ status: dpq_status) {
  precondition(status == DPQ_OK, String(cString: dpq_status_text(status)))
}

/// Memory as the kernels want it, for as long as the process lives.
private func memory(_ bytes: Int) -> UnsafeMutableRawPointer {
  var memory: UnsafeMutableRawPointer?
  precondition(posix_memalign(&memory, 64, (bytes + 63) & ~63) == 0)
  memset(memory!, 0, bytes)
  return memory!
}

/// Values in [-1, 1), the same in every run.
private func values(_ count: Int, seed: UInt64) -> UnsafeMutablePointer<Float> {
  let values = memory(4 * count).bindMemory(to: Float.self, capacity: count)
  var state = seed
  for i in 0..<count {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    values[i] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
  }
  return values
}

/// How rows are cut, and the data that go with it.
private struct Shape {
  let dimension: Int
  let groups: Int
  let codes: Int
  let rows: Int
  let table: UnsafeMutablePointer<Float>
  let codebook: UnsafeMutablePointer<Float>

  init(_ dimension: Int, _ groups: Int, _ codes: Int, rows: Int) {
    (self.dimension, self.groups, self.codes, self.rows) = (dimension, groups, codes, rows)
    table = values(rows * dimension, seed: 1)
    codebook = values(groups * codes * ((dimension + groups - 1) / groups), seed: 2)
  }

  var layout: dpq_layout { dpq_layout(dimension: dimension, groups: groups, codes: codes, shared: 0) }
  var text: String { "\(dimension) \(groups)x\(codes)" }
  var view: dpq_rows {
    dpq_rows(data: table, type: dpq_scalar(DPQ_F32), count: rows, dimension: dimension, stride: dimension, scale: nil)
  }

  /// The codebook prepared at the level that is selected when this is called.
  func assigner() -> OpaquePointer? {
    var layout = layout
    var assigner: OpaquePointer?
    let bytes = dpq_assigner_bytes(&layout)
    check(dpq_assigner_init(&layout, codebook, dpq_similarity(DPQ_NEAREST), memory(bytes), bytes, &assigner))
    return assigner
  }
}

extension KernelWork {
  private static let threads: Int32 = 8

  /// Nearest codes of all rows, unpacked; `isExact` decides near ties in float64.
  public static func assign(
    _ dimension: Int, _ groups: Int, _ codes: Int, rows: Int, isExact: Bool = false
  ) -> KernelWork {
    let shape = Shape(dimension, groups, codes, rows: rows)
    let assigner = shape.assigner()
    let bytes = dpq_assign_workspace_bytes(assigner, threads)
    let (workspace, out) = (memory(bytes), memory(2 * rows * groups))
    let mode = Int32(isExact ? DPQ_ASSIGN_EXACT : DPQ_ASSIGN_FAST)
    return KernelWork("assign\(isExact ? " exactly" : "") \(shape.text)", rows: rows) { threads in
      var view = shape.view
      return dpq_assign(assigner, &view, mode, threads, workspace, bytes, out, groups)
    }
  }

  /// One sweep of k-means.
  public static func sweep(_ dimension: Int, _ groups: Int, _ codes: Int, rows: Int) -> KernelWork {
    let shape = Shape(dimension, groups, codes, rows: rows)
    let assigner = shape.assigner()
    var layout = shape.layout
    let bytes = dpq_sweep_workspace_bytes(assigner, rows, threads)
    let workspace = memory(bytes)
    let sums = memory(8 * dpq_layout_codebook_count(&layout)).assumingMemoryBound(to: Double.self)
    let weights = memory(8 * groups * codes).assumingMemoryBound(to: Double.self)
    let errors = memory(8 * groups * codes).assumingMemoryBound(to: Double.self)
    return KernelWork("sweep \(shape.text)", rows: rows) { threads in
      var view = shape.view
      return dpq_sweep(assigner, &view, nil, threads, workspace, bytes, sums, weights, errors)
    }
  }

  /// Rows from packed codes.
  public static func reconstruct(_ dimension: Int, _ groups: Int, _ codes: Int, rows: Int) -> KernelWork {
    let shape = Shape(dimension, groups, codes, rows: rows)
    let assigner = shape.assigner()
    var layout = shape.layout
    let bytes = dpq_assign_workspace_bytes(assigner, 1)
    let packed = memory(rows * dpq_layout_row_bytes(&layout)).assumingMemoryBound(to: UInt8.self)
    var view = shape.view
    check(dpq_encode(assigner, &view, Int32(DPQ_ASSIGN_FAST), 1, memory(bytes), bytes, packed))
    let out = memory(4 * rows * dimension).assumingMemoryBound(to: Float.self)
    return KernelWork("reconstruct \(shape.text)", rows: rows) { threads in
      var layout = shape.layout
      return dpq_reconstruct(&layout, shape.codebook, packed, rows, out, dimension, threads)
    }
  }

  /// Forward and backward pass of a DPQ layer.
  public static func layerStep(
    isSoftmax: Bool, _ dimension: Int, _ groups: Int, _ codes: Int, batch: Int
  ) -> KernelWork {
    let shape = Shape(dimension, groups, codes, rows: batch)
    let (width, elements) = (dimension / groups, batch * dimension)
    var step = dpq_step(
      batch: batch, groups: groups, codes: codes, width: width, variant: dpq_variant(isSoftmax ? DPQ_SX : DPQ_VQ),
      shared: 0, normalise: 0, temperature: 1, epsilon: 1e-3)
    let bytes = dpq_step_workspace_bytes(&step, threads)
    let workspace = memory(bytes)
    let chosen = memory(2 * batch * groups).assumingMemoryBound(to: UInt16.self)
    func floats(_ count: Int) -> UnsafeMutablePointer<Float> { memory(4 * count).assumingMemoryBound(to: Float.self) }
    let (output, statistics, queryGradient) = (floats(elements), floats(2 * codes), floats(elements))
    let (keyGradient, valueGradient) = (floats(groups * codes * width), floats(groups * codes * width))
    return KernelWork("\(isSoftmax ? "sx" : "vq") step \(shape.text)", rows: batch) { threads in
      var step = step
      let status = dpq_step_forward(
        &step, shape.table, shape.codebook, shape.codebook, nil, threads, workspace, bytes, chosen, output, statistics,
        nil)
      guard status == DPQ_OK else { return status }
      return dpq_step_backward(
        &step, shape.table, shape.codebook, shape.codebook, chosen, statistics, shape.table, 1, 0.25, threads,
        workspace, bytes, queryGradient, keyGradient, isSoftmax ? valueGradient : nil)
    }
  }
}
