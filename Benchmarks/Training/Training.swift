import Benchmark
import Work

/// The step of a DPQ layer by instruction-set level and shape, one thread.
let benchmarks: @Sendable () -> Void = {
  Benchmark.defaultConfiguration = .init(
    metrics: [.wallClock, .throughput], warmupIterations: 1, scalingFactor: .one, maxDuration: .milliseconds(300))
  for isSoftmax in [true, false] {
    for (dimension, groups, codes) in [(512, 128, 16), (256, 64, 32), (128, 32, 256)] {
      let work = KernelWork.layerStep(isSoftmax: isSoftmax, dimension, groups, codes, batch: 1024)
      for level in KernelWork.levels {
        Benchmark("\(work.name), \(level)") { benchmark in
          for _ in benchmark.scaledIterations { work.run(level: level) }
        }
      }
    }
  }
}
