// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that building dpq needs none of this.
let benchmark = Target.Dependency.product(name: "Benchmark", package: "benchmark")

/// A folder of benchmarks run by `swift package benchmark`.
func benchmarks(_ name: String) -> Target {
  .executableTarget(
    name: name, dependencies: [benchmark, "Work", .product(name: "DPQ", package: "dpq")], path: name,
    plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
}

let package = Package(
  name: "dpq-benchmarks",
  dependencies: [
    .package(name: "dpq", path: ".."),
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
  ],
  targets: [
    .target(name: "Work", dependencies: [.product(name: "CKernels", package: "dpq")], path: "Work"),
    benchmarks("Kernels"),
    benchmarks("Codec"),
    benchmarks("Training"),
    .executableTarget(name: "Ratios", dependencies: ["Work"], path: "Ratios", exclude: ["minimum.txt"]),
  ]
)
