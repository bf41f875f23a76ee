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

  @Test(
    .enabled(if: python != nil, "needs a python3 with numpy and safetensors; name it in DPQ_PYTHON"),
    arguments: CompressedTableTests.settings)
  func decodesWithNumpy(_ setting: CompressedTableTests.Setting) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let document = try String(contentsOf: root.appendingPathComponent("docs/format.md"), encoding: .utf8)
    let start = try #require(document.range(of: "```python\n"))
    let end = try #require(document.range(of: "```", range: start.upperBound..<document.endIndex))
    let decoder = String(document[start.upperBound..<end.lowerBound])
    try CompressedTableTests.withFile(setting) { path, _ in
      let output = path + ".f32"
      defer { try? FileManager.default.removeItem(atPath: output) }
      let call = "import sys\ndecode(sys.argv[1]).astype('<f4').tofile(sys.argv[2])\n"
      let status = try Self.run([try #require(Self.python), "-c", decoder + call, path, output])
      #expect(status == 0)
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: output)))
      let decoded = bytes.withUnsafeBytes { [Float]($0.bindMemory(to: Float.self)) }
      let table = try CompressedTable(path: path)
      var expected = [Float](repeating: 0, count: setting.rows * setting.dimension)
      var span = expected.mutableSpan
      try table.read(first: 0, count: setting.rows, into: &span)
      #expect(decoded == expected)
    }
  }
}
