import Benchmark
import Work

/// The kernels by instruction-set level and shape, one thread.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .throughput], warmupIterations: 1, scalingFactor: .one, maxDuration: .milliseconds(300))
  let works: [@Sendable () -> KernelWork] = [
    { .assign(300, 50, 256, rows: 2048) },
    { .assign(300, 50, 256, rows: 2048, isExact: true) },
    { .assign(512, 32, 256, rows: 2048) },
    { .assign(300, 100, 32, rows: 2048) },
    { .assign(512, 128, 16, rows: 2048) },
    { .assign(300, 43, 17, rows: 2048) },
    { .sweep(300, 50, 256, rows: 2048) },
    { .reconstruct(300, 50, 256, rows: 2048) },
    { .reconstruct(512, 128, 16, rows: 2048) },
  ]
  for make in works {
    let work = make()
    for level in KernelWork.levels {
      Benchmark("\(work.name), \(level)") { benchmark in
        for _ in benchmark.scaledIterations { work.run(level: level) }
      }
    }
  }
}
