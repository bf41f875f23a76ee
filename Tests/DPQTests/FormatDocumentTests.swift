import Foundation
import Testing

@testable import DPQ

/// The reader printed in docs/format.md, run with numpy and safetensors, gives what the library gives.
@Suite struct FormatDocumentTests {
  /// A Python that has both packages: `DPQ_PYTHON`, or `python3`.
  static let python: String? = {
    let name = ProcessInfo.processInfo.environment["DPQ_PYTHON"] ?? "python3"
    return (try? run([name, "-c", "import numpy, safetensors"])) == 0 ? name : nil
  }()

  static func run(_ arguments: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// The reader of the document.
  static func decoder() throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let document = try String(contentsOf: root.appendingPathComponent("docs/format.md"), encoding: .utf8)
    let start = try #require(document.range(of: "```python\n"))
    let end = try #require(document.range(of: "```", range: start.upperBound..<document.endIndex))
    return String(document[start.upperBound..<end.lowerBound])
  }

  /// The rows of a file, as the document's reader gives them.
  static func decode(_ path: String) throws -> [Float] {
    let output = TemporaryPath("rows.f32")
    let call = "import sys\ndecode(sys.argv[1]).astype('<f4').tofile(sys.argv[2])\n"
    let status = try run([try #require(python), "-c", try decoder() + call, path, output.path])
    #expect(status == 0)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: output.path)))
    return bytes.withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
  }

  @Test(
    .enabled(if: python != nil, "needs a python3 with numpy and safetensors; name it in DPQ_PYTHON"),
    arguments: CompressedTableTests.settings)
  func decodesWithNumpy(_ setting: CompressedTableTests.Setting) throws {
    try CompressedTableTests.withFile(setting) { path, _ in
      let table = try CompressedTable(path: path)
      var expected = [Float](repeating: 0, count: setting.rows * setting.dimension)
      var span = expected.mutableSpan
      try table.read(first: 0, count: setting.rows, into: &span)
      #expect(try Self.decode(path) == expected)
    }
  }

  @Test(
    .enabled(if: python != nil, "needs a python3 with numpy and safetensors; name it in DPQ_PYTHON"),
    arguments: ["golden_concat", "golden_binary", "golden_tiers"])
  func decodesGoldenFilesWithNumpy(_ name: String) throws {
    let expected = [UInt8](try Data(contentsOf: TierTests.fixtures.appendingPathComponent("\(name).f32")))
      .withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
    let rows = try Self.decode(TierTests.fixtures.appendingPathComponent("\(name).dpq").path)
    #expect(rows.count == expected.count && zip(rows, expected).allSatisfy { abs($0 - $1) <= 2e-5 })
  }
}
