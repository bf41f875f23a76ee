import Foundation
import Testing

@testable import DPQ

/// A repeatable generator (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

enum Fixture {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    .path
  static func path(_ name: String) -> String { folder + "/" + name }
  static func bytes(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: path(name))!) }

  /// The values of an expected `.npy`: v1, little-endian float32, C order, read here without the code under test.
  static func expected(_ name: String) -> [Float] {
    let bytes = bytes(name)
    let start = 10 + Int(bytes[8]) + Int(bytes[9]) << 8
    return bytes[start...].withUnsafeBytes { raw in
      (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  static func words(_ name: String = "words.txt") -> [String] {
    String(decoding: bytes(name), as: UTF8.self).dropLast().split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }
}

/// A folder of one test, removed at its end.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "dpq-tests-" + UUID().uuidString
  init() { try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }
  func file(_ name: String) -> String { path + "/" + name }
  func write(_ bytes: some Sequence<UInt8>, _ name: String = "input") -> String {
    let path = file(name)
    try! Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
  func write(_ text: String, _ name: String = "input") -> String { write(text.utf8, name) }
  var names: [String] { try! FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

extension EmbeddingTable {
  /// All values as float32.
  var values: [Float] {
    var result = [Float](repeating: 0, count: rows * dimension)
    var span = result.mutableSpan
    try! read(first: 0, count: rows, into: &span)
    return result
  }

  var words: [String]? { vocabulary.map { vocabulary in (0..<vocabulary.count).map { vocabulary[$0] } } }

  /// A table with made values and words.
  static func made(rows: Int, dimension: Int, words: [String]?, seed: UInt64) -> EmbeddingTable {
    var generator = SeededGenerator(seed: seed)
    // Any finite bit pattern: the whole range of exponents, subnormal numbers and both zeros.
    let values = (0..<rows * dimension).map { _ in
      while true {
        let value = Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
        if value.isFinite { return value }
      }
      return 0
    }
    return try! EmbeddingTable(
      rows: rows, dimension: dimension, values: values.span, vocabulary: words.map { Vocabulary($0) })
  }
}

/// Equal to the bit, so that 0 and −0 differ.
func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// The error `body` throws; a failure of the test where it throws none.
func failure<Success: ~Copyable>(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(DPQError) -> Success
) -> DPQError? {
  do throws(DPQError) {
    _ = try body()
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return nil
  } catch {
    return error
  }
}

/// Runs Python code with the packages it needs, or says loudly that it did not.
enum Python {
  static let executable = ProcessInfo.processInfo.environment["DPQ_PYTHON"] ?? "python3"

  /// Output of `code`, or `nil` where Python or one of `modules` is missing.
  static func run(_ code: String, modules: [String], arguments: [String] = []) -> String? {
    guard let check = execute(["-c", "import " + modules.joined(separator: ", ")]), check.status == 0 else {
      print("SKIPPED: \(executable) cannot import \(modules.joined(separator: ", ")); set DPQ_PYTHON to one that can")
      return nil
    }
    let result = execute(["-c", code] + arguments)!
    #expect(result.status == 0, "\(result.output)")
    return result.output
  }

  private static func execute(_ arguments: [String]) -> (status: Int32, output: String)? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [executable] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    guard (try? process.run()) != nil else { return nil }
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
