import Benchmark
import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// From a table to a file and back, as users of the library do it.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .peakMemoryResident], warmupIterations: 1, scalingFactor: .one, maxDuration: .seconds(1))
  let (rows, dimension) = (4096, 96)
  var state: UInt64 = 1
  let values = (0..<rows * dimension).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
  }
  let path = "/tmp/dpq-benchmark-\(getpid()).dpq"

  @Sendable func table() throws -> EmbeddingTable {
    try EmbeddingTable(rows: rows, dimension: dimension, values: values.span)
  }
  @Sendable func compressed(_ method: CompressionOptions.Method) throws -> Compression {
    var options = CompressionOptions()
    options.method = method
    options.groups = 24
    options.codes = 64
    options.epochs = 5
    options.threads = 1
    return try Compressor(options).compress(table())
  }

  for method in CompressionOptions.Method.allCases {
    Benchmark("compress, \(method.rawValue)") { benchmark in
      for _ in benchmark.scaledIterations { blackHole(try compressed(method)) }
    }
  }
  Benchmark("write") { benchmark in
    let model = try compressed(.kmeans).model
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations { blackHole(try model.write(to: path, replacing: true)) }
  }
  Benchmark("open, verify and read all rows") { benchmark in
    _ = try compressed(.kmeans).model.write(to: path, replacing: true)
    var output = [Float](repeating: 0, count: rows * dimension)
    benchmark.startMeasurement()
    for _ in benchmark.scaledIterations {
      let model = try CompressedTable(path: path)
      try model.verify()
      var span = output.mutableSpan
      try model.read(first: 0, count: rows, into: &span)
    }
    benchmark.stopMeasurement()
    unlink(path)
  }
}
