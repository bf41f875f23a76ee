import Foundation
import Testing

/// How the command behaves as a process: signals, threads, pipes, help.
@Suite struct ProcessTests {
  let folder: Folder

  init() throws { folder = try Folder() }

  @Test func interruptLeavesNothingAndExits130() throws {
    try folder.write(Sample(rows: 20_000, dimension: 32).npy, "table.npy")
    let before = try folder.contents()
    let run = try Tool.start(
      ["compress", "table.npy", "-o", "out.dpq", "--epochs", "100000", "--method", "vq"], in: folder)
    Thread.sleep(forTimeInterval: 1)
    try #require(run.process.isRunning, "it ended before it could be interrupted")
    let watchdog = DispatchWorkItem { [id = run.process.processIdentifier] in kill(id, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 20, execute: watchdog)
    run.process.interrupt()
    let outcome = try run.finish()
    watchdog.cancel()
    #expect(outcome.status == 130)
    #expect(outcome.output.isEmpty)
    #expect(try folder.contents() == before)
  }

  @Test(arguments: ["kmeans", "vq", "sx"])
  func filesDoNotDependOnThreads(_ method: String) throws {
    try folder.write(Sample(rows: 3000, dimension: 12).gloveText, "table.txt")
    for threads in ["1", "2"] {
      try Tool.succeed(
        "compress", "table.txt", "-o", "\(threads).dpq", "--method", method, "--codes", "32", "--groups", "3",
        "--epochs", "4", "--threads", threads, "--quiet", in: folder)
    }
    #expect(try folder.read("1.dpq") == folder.read("2.dpq"))
    try Tool.succeed(
      "compress", "table.txt", "-o", "seed.dpq", "--method", method, "--codes", "32", "--groups", "3", "--epochs", "4",
      "--seed", "99", "--quiet", in: folder)
    #expect(try folder.read("1.dpq") != folder.read("seed.dpq"))
  }

  @Test func dryRunPlansTheExactSizeAndWritesNothing() throws {
    try folder.write(Sample().gloveText, "table.txt")
    let before = try folder.contents()
    let plan = try Tool.succeed(
      "compress", "table.txt", "-o", "out.dpq", "--ratio", "6", "--dry-run", "--json", in: folder
    ).object
    #expect(try folder.contents() == before)
    let report = try Tool.succeed("compress", "table.txt", "-o", "out.dpq", "--ratio", "6", "--json", in: folder).object
    for key in ["rows", "groups", "codes", "file_bytes", "ratio"] {
      #expect(plan[key] as? Double == report[key] as? Double)
    }
    #expect(try #require(report["ratio"] as? Double) >= 6)
    let text = try Tool.succeed("compress", "table.txt", "--dry-run", in: folder).output
    #expect(text.contains("nothing written"))
    #expect(try Set(folder.contents().keys) == ["table.txt", "out.dpq"])
  }

  @Test func goalsAreMet() throws {
    try folder.write(Sample(rows: 2000, dimension: 24).gloveText, "table.txt")
    let size = try Tool.succeed(
      "compress", "table.txt", "-o", "a.dpq", "--target-size", "64kB", "--epochs", "2", "--json", in: folder
    ).object
    #expect(try folder.read("a.dpq").count <= 64_000)
    #expect(try size["file_bytes"] as? Int == folder.read("a.dpq").count)
    let bits = try Tool.succeed(
      "compress", "table.txt", "-o", "b.dpq", "--bits-per-dimension", "2.5", "--epochs", "2", "--json", in: folder
    ).object
    #expect(try 32 / #require(bits["ratio"] as? Double) <= 2.5)
  }

  @Test func everyOptionOfCompressIsTaken() throws {
    try folder.write(Sample().npy, "table.npy")
    try folder.write((0..<600).map { "word\($0)\n" }.joined(), "words.txt")
    try folder.write((0..<600).map { "\(600 - $0)\n" }.joined(), "weights.txt")
    let report = try Tool.succeed(
      "compress", "table.npy", "-o", "out.dpq", "--metric", "cosine", "--weights", "weights.txt", "--vocabulary",
      "words.txt", "--codebook-type", "f16", "--epochs", "3", "--sample", "500", "--memory", "1GB", "--seed", "5",
      "--threads", "2", "--shared", "--codes", "20", "--groups", "6", "--start", "scratch", "--method", "vq",
      "--duplicates", "first", "--non-finite", "zero", "--json", in: folder
    ).object
    #expect(report["seed"] as? Int == 5)
    #expect(report["method"] as? String == "vq")
    #expect(report["bits_per_row"] as? Int == 6 * 5 + 8)
    let model = try Tool.succeed("inspect", "out.dpq", "--json", in: folder).object
    #expect(model["metric"] as? String == "cosine")
    #expect(model["codebook_type"] as? String == "f16")
    #expect((model["tiers"] as? [[String: Any]])?.first?["shared"] as? Bool == true)
    #expect(try Tool.succeed("get", "out.dpq", "word599", in: folder).output.hasPrefix("word599 "))
    try Tool.succeed("verify", "out.dpq", in: folder)
  }

  @Test func aReaderThatLeavesIsNoError() throws {
    try folder.write(Sample(rows: 5000, dimension: 32).gloveText, "table.txt")
    let ids = (0..<5000).map(String.init).joined(separator: ",")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.currentDirectoryURL = folder.url
    shell.arguments = ["-c", "'\(Tool.executable.path)' get table.txt --ids \(ids) 2>errors | head -n 1 >first"]
    try shell.run()
    shell.waitUntilExit()
    #expect(try folder.read("errors").isEmpty)
    #expect(try folder.read("first").starts(with: Data("word0 ".utf8)))
  }

  @Test func aFullDiskIsAnInputOutputError() throws {
    // A device that only Linux has.
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    try folder.write(Sample().gloveText, "table.txt")
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.currentDirectoryURL = folder.url
    shell.arguments = ["-c", "'\(Tool.executable.path)' get table.txt word1 >/dev/full 2>errors"]
    try shell.run()
    shell.waitUntilExit()
    #expect(shell.terminationStatus == 74)
    #expect(try String(decoding: folder.read("errors"), as: UTF8.self).hasPrefix("dpq: error: standard output"))
  }

  @Test func helpVersionAndCompletionsComeForFree() throws {
    let help = try Tool.succeed("--help", in: folder).output
    for command in ["compress", "encode", "decode", "get", "neighbors", "eval", "inspect", "verify", "convert"] {
      #expect(help.contains(command))
      #expect(try Tool.succeed(command, "--help", in: folder).output.contains("OVERVIEW"))
    }
    #expect(try Tool.succeed("--version", in: folder).output.split(separator: ".").count == 3)
    #expect(try Tool.succeed("--generate-completion-script", "bash", in: folder).output.contains("compress"))
  }

  @Test func realTablesCompress() throws {
    guard let shared = SharedTables.folder else {
      print("skipped: no shared tables; set DPQ_SHARED to the folder that holds data/embeddings")
      return
    }
    let name = "wordllama.l2_supercat_256"
    try SharedTables.unpack("\(name).f16.npy.zst", from: shared, to: folder.path("table.npy"))
    try SharedTables.unpack("\(name).vocab.txt.zst", from: shared, to: folder.path("words.txt"))
    let report = try Tool.succeed(
      "compress", "table.npy", "--vocabulary", "words.txt", "-o", "out.dpq", "--groups", "32", "--codes", "16",
      "--epochs", "2", "--duplicates", "first", "--json", in: folder
    ).object
    // 23 of the 32 000 lines stand twice.
    #expect(report["rows"] as? Int == 31_977)
    #expect(try #require(report["relative_error"] as? Double) < 0.75)
    try Tool.succeed("verify", "out.dpq", in: folder)
    #expect(try Tool.succeed("neighbors", "out.dpq", "king", in: folder).output.split(separator: "\n").count == 10)
  }
}

/// Real tables that stand beside a checkout on some machines.
enum SharedTables {
  static let folder: URL? = {
    let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
    let named = ProcessInfo.processInfo.environment["DPQ_SHARED"].map { URL(fileURLWithPath: $0) }
    let folder = (named ?? package.appendingPathComponent("../shared")).appendingPathComponent("data/embeddings")
    return FileManager.default.fileExists(atPath: folder.path) ? folder.standardizedFileURL : nil
  }()

  static func unpack(_ name: String, from folder: URL, to target: URL) throws {
    let zstd = Process()
    zstd.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    zstd.arguments = ["zstd", "-dqf", folder.appendingPathComponent(name).path, "-o", target.path]
    try zstd.run()
    zstd.waitUntilExit()
    try #require(zstd.terminationStatus == 0)
  }
}
