// swift-tools-version: 6.3
import PackageDescription

// OpenMP is a default trait: `--disable-default-traits` builds the same library serial. Elsewhere than on Linux it is
// serial always. libomp is linked by its versioned name so that the runtime package alone is enough.
let openMP: BuildSettingCondition = .when(platforms: [.linux], traits: ["OpenMP"])

let package = Package(
  name: "dpq",
  products: [
    .library(name: "DPQ", targets: ["DPQ"]),
    .library(name: "DPQTasks", targets: ["DPQTasks"]),
    .library(name: "CKernels", targets: ["CKernels"]),
    .executable(name: "dpq", targets: ["DPQTool"]),
  ],
  traits: [
    .trait(name: "OpenMP", description: "Run the batch kernels on several threads (needs libomp)."),
    .default(enabledTraits: ["OpenMP"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", path: "Sources/COpenBLAS", pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(
      name: "CZstd", path: "Sources/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(name: "CJsmn", path: "Sources/CJsmn", providers: [.apt(["libjsmn-dev"]), .brew(["jsmn"])]),
    .target(
      name: "CKernels", dependencies: ["COpenBLAS"], path: "CKernels",
      exclude: ["CMakeLists.txt", "cmake"],
      sources: ["core", "batch", "isa", "runtime"], publicHeadersPath: "include",
      cSettings: [
        .headerSearchPath("."),
        // The tests would crawl with kernels compiled at -O0.
        .unsafeFlags(["-O3", "-std=c11", "-fno-math-errno", "-Wall", "-Wextra"]),
        .unsafeFlags(["-fopenmp"], openMP),
      ],
      linkerSettings: [.linkedLibrary(":libomp.so.5", openMP)]),
    .target(
      name: "DPQ", dependencies: ["CKernels", "CZlib", "CZstd", "CJsmn"], path: "Sources/DPQ",
      swiftSettings: [.enableExperimentalFeature("Lifetimes")]),
    .target(
      name: "DPQTasks", dependencies: ["DPQ"], path: "Sources/DPQTasks",
      swiftSettings: [.enableExperimentalFeature("Lifetimes")]),
    .executableTarget(
      name: "DPQTool",
      dependencies: ["DPQ", "DPQTasks", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Sources/DPQTool"),
    .target(
      name: "CKernelChecks", dependencies: ["CKernels"], path: "Tests/KernelTests/Checks",
      publicHeadersPath: "include"),
    .testTarget(
      name: "KernelTests", dependencies: ["CKernels", "CKernelChecks", "DPQ"], path: "Tests/KernelTests",
      exclude: ["CMakeLists.txt", "Checks", "Golden", "run_checks.c"]),
    .testTarget(
      name: "DPQTests", dependencies: ["DPQ"], path: "Tests/DPQTests", exclude: ["Fixtures"]),
    .testTarget(
      name: "TasksTests", dependencies: ["DPQ", "DPQTasks"], path: "Tests/TasksTests"),
    .testTarget(
      name: "ToolTests", dependencies: ["DPQ", "DPQTasks", "DPQTool"], path: "Tests/ToolTests"),
  ],
  cLanguageStandard: .c11
)
