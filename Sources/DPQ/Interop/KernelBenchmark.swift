import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The kernels one at a time, on given data, with all memory taken beforehand: what `dpq bench` times.
///
/// Each function returns the times of `repeats` runs, which follow others that are not counted: one that warms caches and
/// pages up, and more until the processor has been at it for a while, for after a pause it needs tens of milliseconds to
/// reach its speed.
package enum KernelBenchmark {
  /// How long runs took.
  package struct Times: Sendable {
    /// Seconds of each run.
    package fileprivate(set) var seconds: [Double] = []
    /// Seconds of each run that a processor worked for this process, added up over its threads.
    package fileprivate(set) var processorSeconds: [Double] = []
  }

  private static let warmUpSeconds = 0.1

  private static func time(
    _ repeats: Int, _ body: () throws(DPQError) -> Void
  ) throws(DPQError) -> Times {
    let warmUpStart = Runtime.clock
    repeat { try body() } while Runtime.clock - warmUpStart < warmUpSeconds
    var times = Times()
    for _ in 0..<repeats {
      let (start, processorStart) = (Runtime.clock, processorClock)
      try body()
      times.processorSeconds.append(processorClock - processorStart)
      times.seconds.append(Runtime.clock - start)
    }
    return times
  }

  private static var processorClock: Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  /// Nearest codes of all rows; `isExact` decides near ties in float64.
  package static func assign(
    _ table: EmbeddingTable, codebook: Codebook, isExact: Bool, threads: Int, repeats: Int
  ) throws(DPQError) -> (times: Times, codes: CodeMatrix) {
    let layout = codebook.layout
    let rows = Rows(table)
    var assigner = try Assigner(layout: layout, threads: threads)
    let codes = try AlignedBuffer<UInt8>(count: table.rows * layout.groups * CodeMatrix.elementBytes(layout))
    let times = try time(repeats) { () throws(DPQError) in
      try assigner.load(codebook.values)
      try assigner.assign(rows, isExact: isExact, into: codes)
    }
    return (times, CodeMatrix(rows: table.rows, layout: layout, memory: codes.share()))
  }

  /// Rebuilds all rows from their packed codes into memory that is used again in every run.
  package static func reconstruct(
    _ table: EmbeddingTable, codebook: Codebook, threads: Int, repeats: Int
  ) throws(DPQError) -> (times: Times, rows: EmbeddingTable) {
    var layout = codebook.layout.kernelLayout
    let packed = try codebook.encode(Rows(table), threads: threads) { (_) throws(DPQError) in }
    let output = try AlignedBuffer<Float>(count: table.rows * table.dimension)
    let target = output.pointer
    let times = try time(repeats) { () throws(DPQError) in
      let status = dpq_reconstruct(
        &layout, codebook.values, packed, table.rows, target, table.dimension, Int32(threads))
      try DPQError.check(status)
    }
    let rows = EmbeddingTable(
      storage: output.share(), rows: table.rows, dimension: table.dimension, sourceBytes: table.tableBytes)
    return (times, rows)
  }

  /// k-means with `sweeps` sweeps: over all rows from `start` on, or as a table is compressed, the first third over a
  /// sample, from rows far apart, chosen within the time measured. Returns the rows a run goes over, the codewords, and
  /// their mean squared error, measured after the clock has stopped.
  package static func kmeans(
    _ table: EmbeddingTable, layout: CodeLayout, start: Codebook?, sweeps: Int, seed: UInt64, threads: Int, repeats: Int
  ) throws(DPQError) -> (times: Times, rowsSwept: Int, codebook: Codebook, mse: Double) {
    let training = try TrainingSet(rows: Rows(table), weights: nil)
    var values: [Float] = []
    var rowsSwept = 0
    let times = try time(repeats) { () throws(DPQError) in
      var first = start?.values ?? []
      if start == nil { first = try KMeans.initialCodebook(training, layout: layout, seed: seed) }
      var kmeans = try KMeans(training, layout: layout, codebook: first, seed: seed, threads: threads)
      for sweep in 1...sweeps {
        if start == nil {
          try kmeans.step(sweep, of: sweeps)
        } else {
          try kmeans.step(accelerating: sweep <= sweeps - KMeans.closingSweeps)
        }
      }
      kmeans.restoreBest()
      values = kmeans.codebook
      rowsSwept = kmeans.rowsSwept
    }
    let codebook = try Codebook(layout: layout, values: values)
    let codes = try codebook.encode(training.rows, threads: threads) { (_) throws(DPQError) in }
    let prepared = try PreparedTable(table, CompressionOptions())
    var error = Reconstruction()
    try Tier.Codewords.concat(codebook).measure(codes, nil, against: prepared, threads: threads, into: &error) {
      (_) throws(DPQError) in
    }
    return (times, rowsSwept, codebook, error.mse)
  }

  /// Forward and backward pass of a DPQ layer over the first `batch` rows, all gradients: SX at temperature 1, or
  /// VQ.
  ///
  /// The rows are at once the queries and the gradient that comes from above; keys and values are both the codebook.
  package static func layerStep(
    _ table: EmbeddingTable, batch: Int, codebook: Codebook, isSoftmax: Bool, threads: Int, repeats: Int
  ) throws(DPQError) -> (times: Times, codes: CodeMatrix) {
    let layout = codebook.layout
    var step = dpq_step(
      batch: batch, groups: layout.groups, codes: layout.codes, width: layout.width,
      variant: dpq_variant(isSoftmax ? DPQ_SX : DPQ_VQ), shared: layout.isShared ? 1 : 0, normalise: 0, temperature: 1,
      epsilon: 1e-3)
    let stride = layout.groups * layout.width
    let query = try AlignedBuffer<Float>(count: batch * stride)
    try Rows(table).read(first: 0, count: batch, into: query, stride: stride, threads: threads)
    let workspace = try AlignedBuffer<UInt8>(count: dpq_step_workspace_bytes(&step, Int32(threads)))
    let codes = try AlignedBuffer<UInt16>(count: batch * layout.groups)
    let output = try AlignedBuffer<Float>(count: batch * stride)
    let statistics = try AlignedBuffer<Float>(count: 2 * layout.codes)
    let queryGradient = try AlignedBuffer<Float>(count: batch * stride)
    let keyGradient = try AlignedBuffer<Float>(count: layout.codebookCount)
    let valueGradient = try AlignedBuffer<Float>(count: layout.codebookCount)
    let (memory, chosen, queries) = (workspace.bufferPointer, codes.pointer, query.pointer)
    let (outputs, used) = (output.pointer, statistics.pointer)
    let gradients = (queryGradient.pointer, keyGradient.pointer, isSoftmax ? valueGradient.pointer : nil)
    let times = try time(repeats) { () throws(DPQError) in
      var regularization = 0.0
      try DPQError.check(
        dpq_step_forward(
          &step, queries, codebook.values, codebook.values, nil, Int32(threads), memory.baseAddress, memory.count,
          chosen, outputs, used, &regularization))
      try DPQError.check(
        dpq_step_backward(
          &step, queries, codebook.values, codebook.values, chosen, used, queries, 1, 0.25, Int32(threads),
          memory.baseAddress, memory.count, gradients.0, gradients.1, gradients.2))
    }
    let size = CodeMatrix.elementBytes(layout)
    let result = try AlignedBuffer<UInt8>(count: codes.count * size)
    for i in 0..<codes.count {
      result[i * size] = UInt8(truncatingIfNeeded: codes[i])
      if size == 2 { result[i * size + 1] = UInt8(codes[i] >> 8) }
    }
    return (times, CodeMatrix(rows: batch, layout: layout, memory: result.share()))
  }
}

// MARK: - Looking rows up

extension KernelBenchmark {
  /// Looks `ids` up, `batch` of them at a time, into memory that is used again for every batch. With more than one
  /// thread each is a caller of its own with an equal part of the ids.
  package static func lookup(
    _ table: borrowing CompressedTable, ids: [Int], batch: Int, threads: Int, repeats: Int
  ) throws(DPQError) -> Times {
    let handle = table.handle
    let share = (ids.count + threads - 1) / threads
    let callers = stride(from: 0, to: ids.count, by: share).map {
      Caller(table: handle, ids: ids[$0..<min($0 + share, ids.count)], batch: batch, dimension: table.dimension)
    }
    for caller in callers { try caller.reserve() }
    return try time(repeats) { () throws(DPQError) in
      var running: [pthread_t] = []
      for caller in callers.dropFirst() {
        #if canImport(Glibc)
          var thread = pthread_t()
        #else
          var thread: pthread_t!
        #endif
        let argument = Unmanaged.passUnretained(caller).toOpaque()
        let status = pthread_create(&thread, nil, Caller.main, argument)
        if status == 0 { running.append(thread) } else { caller.run() }
      }
      callers.first?.run()
      for thread in running { pthread_join(thread, nil) }
      for caller in callers { try DPQError.check(caller.status) }
    }
  }

  /// One thread's part of the ids. Only that thread uses it between `pthread_create` and `pthread_join`.
  private final class Caller: @unchecked Sendable {
    private let table: OpaquePointer
    private let ids: [Int64]
    private let batch: Int
    private let dimension: Int
    private var output: MemoryRegion?
    private(set) var status = dpq_status(DPQ_OK)

    init(table: OpaquePointer, ids: ArraySlice<Int>, batch: Int, dimension: Int) {
      self.table = table
      self.ids = ids.map { Int64($0) }
      self.batch = min(batch, ids.count)
      self.dimension = dimension
    }

    func reserve() throws(DPQError) { output = try AlignedBuffer<Float>(count: batch * dimension).share() }

    func run() {
      guard let output else { return }
      let target = UnsafeMutableRawPointer(mutating: output.base).assumingMemoryBound(to: Float.self)
      ids.withUnsafeBufferPointer { ids in
        for first in stride(from: 0, to: ids.count, by: batch) {
          let count = min(batch, ids.count - first)
          status = dpq_table_lookup(
            table, ids.baseAddress! + first, count, dpq_outside(DPQ_OUTSIDE_ERROR), target, dimension, nil)
          if status != DPQ_OK { return }
        }
      }
    }

    #if canImport(Glibc)
      static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        Unmanaged<Caller>.fromOpaque(argument!).takeUnretainedValue().run()
        return nil
      }
    #else
      static let main: @convention(c) (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? = { argument in
        Unmanaged<Caller>.fromOpaque(argument).takeUnretainedValue().run()
        return nil
      }
    #endif
  }
}

// MARK: - Made data

extension KernelBenchmark {
  /// Rows of independent values, nearly normal with variance 1.
  package static func rows(_ count: Int, dimension: Int, seed: UInt64) throws(DPQError) -> EmbeddingTable {
    let total = try TableShape.bytes(rows: count, dimension: dimension) / 4
    let values = try AlignedBuffer<Float>(count: total)
    fill(values, seed: seed, stream: 11)
    return EmbeddingTable(storage: values.share(), rows: count, dimension: dimension, sourceBytes: 4 * total)
  }

  /// Codewords like the rows.
  package static func codebook(_ layout: CodeLayout, seed: UInt64) throws(DPQError) -> Codebook {
    let values = try AlignedBuffer<Float>(count: layout.codebookCount)
    fill(values, seed: seed, stream: 12)
    return try Codebook(layout: layout, values: Array(values.bufferPointer))
  }

  private static func fill(_ values: borrowing AlignedBuffer<Float>, seed: UInt64, stream: UInt64) {
    var generator = SeededGenerator(seed: seed, stream: stream)
    for i in 0..<values.count {
      // The sum of three uniform numbers in [-1, 1), of 21 bits each, has variance 1.
      let bits = generator.next()
      let sum = (bits & 0x1F_FFFF) + (bits >> 21 & 0x1F_FFFF) + (bits >> 42 & 0x1F_FFFF)
      values.pointer[i] = Float(sum) * 0x1p-20 - 3
    }
  }

  /// A table of random codes.
  package static func model(_ layout: CodeLayout, rows: Int, seed: UInt64) throws(DPQError) -> CompressedModel {
    _ = try TableShape.bytes(rows: rows, dimension: layout.groups)
    var generator = SeededGenerator(seed: seed, stream: 13)
    let codes = try AlignedBuffer<UInt8>(count: rows * layout.groups * CodeMatrix.elementBytes(layout))
    let isWide = CodeMatrix.elementBytes(layout) == 2
    for i in 0..<(rows * layout.groups) {
      let code = generator.index(below: layout.codes)
      if isWide {
        codes.pointer[2 * i] = UInt8(truncatingIfNeeded: code)
        codes.pointer[2 * i + 1] = UInt8(code >> 8)
      } else {
        codes.pointer[i] = UInt8(code)
      }
    }
    var packed = [UInt8](repeating: 0, count: rows * layout.rowBytes)
    var kernelLayout = layout.kernelLayout
    try DPQError.check(dpq_codes_pack(&kernelLayout, codes.pointer, rows, 1, &packed))
    return CompressedModel(
      rows: rows, codes: packed, codebook: try codebook(layout, seed: seed), norms: nil, vocabulary: nil, recipe: "{}")
  }

  /// Row numbers as words of a text come: the r-th most frequent with a chance proportional to 1 / r, the frequent ones
  /// scattered over the table.
  package static func zipfIDs(_ count: Int, rows: Int, seed: UInt64) -> [Int] {
    var generator = SeededGenerator(seed: seed, stream: 14)
    let scale = log(Double(rows) + 1)
    return (0..<count).map { _ in
      let rank = min(rows - 1, Int(exp(generator.uniform() * scale)) - 1)
      return Int((UInt64(rank) &* 2_654_435_761) % UInt64(rows))
    }
  }
}

extension CompressedModel {
  /// The table this model makes, from a file that has lost its name when this returns.
  package func openTemporarily() throws(DPQError) -> CompressedTable {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var path = Array("\(folder)/dpq-bench-XXXXXX".utf8CString)
    let file = mkstemp(&path)
    let name = path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    guard file >= 0 else {
      throw DPQError(.cannotCreateOutput, "cannot be created: \(SystemCall.text())", .init(file: name))
    }
    close(file)
    defer { unlink(name) }
    _ = try write(to: name, replacing: true)
    return try CompressedTable(path: name)
  }
}
