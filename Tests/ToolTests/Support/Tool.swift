import Foundation
import Testing

/// What a run of `dpq` came to.
struct Outcome {
  let status: Int32
  let output: String
  let errors: String

  /// The output as JSON.
  var json: Any {
    get throws { try JSONSerialization.jsonObject(with: Data(output.utf8), options: .fragmentsAllowed) }
  }

  /// The output as a JSON object.
  var object: [String: Any] {
    get throws { try #require(json as? [String: Any]) }
  }

  /// The output as a JSON array of objects.
  var objects: [[String: Any]] {
    get throws { try #require(json as? [[String: Any]]) }
  }
}

/// The built command, run as a process.
enum Tool {
  /// The executable stands beside the bundle of the tests.
  static let executable: URL = {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
    let folder = bundle?.deletingLastPathComponent() ?? Bundle.main.executableURL!.deletingLastPathComponent()
    return folder.appendingPathComponent("dpq")
  }()

  /// Runs `dpq` in a shell of its own, after a command that sets limits.
  static func limited(_ limit: String, _ arguments: String..., in folder: Folder) throws -> Outcome {
    try start(
      ["-c", limit + "; exec \"$0\" \"$@\"", executable.path] + arguments, in: folder,
      executable: URL(fileURLWithPath: "/bin/sh")
    ).finish()
  }

  /// Starts `dpq` with its output going to files, so that no pipe can fill up.
  static func start(
    _ arguments: [String], in folder: Folder, input: Data? = nil, environment: [String: String] = [:],
    executable: URL = executable
  ) throws -> (process: Process, finish: () throws -> Outcome) {
    let name = ".run-\(UUID().uuidString)"
    let paths = ["out", "err", "in"].map { folder.logs.appendingPathComponent(name + "." + $0) }
    for path in paths { try (path == paths[2] ? input ?? Data() : Data()).write(to: path) }
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = folder.url
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: paths[2])
    process.standardOutput = try FileHandle(forWritingTo: paths[0])
    process.standardError = try FileHandle(forWritingTo: paths[1])
    try process.run()
    return (
      process,
      {
        process.waitUntilExit()
        // A signal shows as it does in a shell.
        let status = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
        return Outcome(
          status: status, output: String(decoding: try Data(contentsOf: paths[0]), as: UTF8.self),
          errors: String(decoding: try Data(contentsOf: paths[1]), as: UTF8.self))
      }
    )
  }

  /// Runs `dpq` to its end.
  static func run(
    _ arguments: String..., in folder: Folder, input: Data? = nil, environment: [String: String] = [:]
  ) throws -> Outcome {
    try start(arguments, in: folder, input: input, environment: environment).finish()
  }

  /// Runs `dpq`, which must succeed without a word on standard error.
  @discardableResult
  static func succeed(
    _ arguments: String..., in folder: Folder, input: Data? = nil, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try start(arguments, in: folder, input: input).finish()
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.errors.isEmpty, sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs `dpq`, which must fail with `status` and one line that holds `message`, and print nothing else.
  @discardableResult
  static func fail(
    _ status: Int32, _ message: String, _ arguments: [String], in folder: Folder, input: Data? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let before = try folder.contents()
    let outcome = try start(arguments, in: folder, input: input).finish()
    #expect(outcome.status == status, "\(arguments): \(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
    #expect(outcome.errors.hasPrefix("dpq: error: "), "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(outcome.errors.hasSuffix("\n"), sourceLocation: sourceLocation)
    #expect(outcome.errors.count { $0 == "\n" } == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(
      message.isEmpty || outcome.errors.contains(message), "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(try folder.contents() == before, "files were left or lost", sourceLocation: sourceLocation)
    return outcome
  }
}

/// The keys of a JSON object in the order they stand, and of the objects inside it as `outer.inner`.
func orderedKeys(_ text: String) -> [String] {
  var keys: [String] = []
  var path: [String] = []
  var string: String?
  var last = ""
  var isEscaped = false
  var arrays = 0
  for character in text {
    if let open = string {
      if isEscaped {
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else if character == "\"" {
        last = open
        string = nil
        continue
      }
      string = open + String(character)
      continue
    }
    switch character {
    case "\"": string = ""
    case ":": if arrays == 0 { keys.append((path.dropFirst() + [last]).joined(separator: ".")) }
    case "{": path.append(last)
    case "}": path.removeLast()
    case "[": arrays += 1
    case "]": arrays -= 1
    default: break
    }
  }
  return keys
}
