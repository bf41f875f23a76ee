import Foundation
import Testing

/// `dpq train language-model` on small made texts.
@Suite struct TrainLanguageModelTests {
  let folder: Folder

  init() throws {
    folder = try Folder()
    for (name, lines, seed) in [("train.txt", 400, 1), ("valid.txt", 40, 2), ("test.txt", 40, 3)] {
      var text = ""
      var state = UInt64(seed)
      for _ in 0..<lines {
        for _ in 0..<7 {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          text += "w\((state >> 33) % 40) "
        }
        text += "\n"
      }
      try folder.write(text, name)
    }
  }

  private let data = ["train", "language-model", "--train", "train.txt", "--valid", "valid.txt", "--test", "test.txt"]
  private let small = ["--dimension", "16", "--batch", "8", "--unroll", "6", "--groups", "4", "--codes", "8"]

  @discardableResult
  private func train(_ arguments: String..., quiet: Bool = true) throws -> Outcome {
    let outcome = try Tool.start(data + small + arguments + (quiet ? ["--quiet"] : []), in: folder).finish()
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
    if quiet { #expect(outcome.errors.isEmpty) }
    return outcome
  }

  @Test(arguments: ["sx", "vq"]) func queriesAreCodedByTheFileThatKeptItsEncoder(_ kind: String) throws {
    try train("--embedding", kind, "--epochs", "2", "--output", "plain")
    try train("--embedding", kind, "--epochs", "2", "--output", "kept", "--keep-encoder")
    let queries = ["kept/checkpoint.safetensors", "--tensor", "best.embedding.query", "-o", "again.dpq", "--quiet"]
    let refused = try Tool.start(["encode", "--with", "plain/embedding.dpq"] + queries, in: folder).finish()
    #expect(refused.status == 65 && refused.errors.contains("--keep-encoder"))
    let outcome = try Tool.start(["encode", "--with", "kept/embedding.dpq"] + queries, in: folder).finish()
    try #require(outcome.status == 0, "\(outcome.errors)")
    // The queries have no words.
    func rows(_ file: String) throws -> [[Substring]] {
      let text = try Tool.start(["get", file, "--ids", "0,7,30"], in: folder).finish().output
      return text.split(separator: "\n").map { $0.split(separator: " ").suffix(16) }
    }
    #expect(try rows("again.dpq").map(\.count) == [16, 16, 16])
    #expect(try rows("again.dpq") == rows("plain/embedding.dpq"))
    let wrong = try Tool.start(data + small + ["--embedding", "full", "--keep-encoder"], in: folder).finish()
    #expect(wrong.status == 64 && wrong.errors.contains("--keep-encoder"))
  }

  @Test(arguments: ["full", "sx", "vq", "scalar4", "low-rank", "pq", "dpq-table"])
  func everyEmbeddingTrainsAndReports(_ kind: String) throws {
    let outcome = try train("--embedding", kind, "--epochs", "2", "--output", "run", "--json")
    #expect(
      orderedKeys(outcome.output).prefix(17) == [
        "task", "data", "embedding", "groups", "codes", "shared", "metric", "valid", "test", "ratio", "ratio_paper",
        "embedding_bytes", "table_bytes", "seconds", "tokens_per_second", "seed", "test_exported",
      ])
    let report = try outcome.object
    #expect(report["task"] as? String == "language-model" && report["embedding"] as? String == kind)
    #expect(report["data"] as? String == "train.txt, valid.txt, test.txt")
    #expect(report["metric"] as? String == "perplexity" && report["seed"] as? Int == 1)
    #expect(report["table_bytes"] as? Int == 4 * 41 * 16)
    let test = try #require(report["test"] as? Double)
    #expect(test > 10 && test < 50)
    #expect(String(decoding: try folder.read("run/report.json"), as: UTF8.self) == outcome.output)
    #expect(String(decoding: try folder.read("run/loss.svg"), as: UTF8.self).contains("</svg>"))
    let isCoded = ["sx", "vq", "pq", "dpq-table"].contains(kind)
    #expect(folder.exists("run/embedding.dpq") == isCoded && folder.exists("run/words.txt") != isCoded)
    #expect(folder.exists("run/code-use.svg") == isCoded)
    #expect(folder.exists("run/code-changes.svg") == (kind == "sx" || kind == "vq"))
    let weights = String(decoding: try folder.read("run/model.safetensors").prefix(2000), as: UTF8.self)
    #expect(weights.contains("softmax.weights") && weights.contains("\"embedding.") == !isCoded)
    guard isCoded else { return }
    #expect(report["test_exported"] as? Double == test)
    let verified = try Tool.succeed("verify", "run/embedding.dpq", "--json", in: folder).object
    #expect(verified["valid"] as? Bool == true && verified["rows"] as? Int == 41)
    #expect(try Tool.succeed("get", "run/embedding.dpq", "<eos>", in: folder).output.hasPrefix("<eos> "))
  }

  @Test func aRunIsNotReplacedUnasked() throws {
    try train("--steps", "3", "--output", "run")
    let before = try folder.read("run/report.json")
    try Tool.fail(73, "--resume", data + small + ["--output", "run"], in: folder)
    try train("--epochs", "1", "--output", "run", "--force")
    #expect(try folder.read("run/report.json") != before)
    try Tool.fail(65, "settings", data + small + ["--output", "run", "--resume", "--decay", "0.9"], in: folder)
  }

  @Test func aTerminatedRunIsResumed() throws {
    let arguments = data + small + ["--embedding", "sx", "--epochs", "60", "--decay-after", "60", "--output", "cut"]
    let run = try Tool.start(arguments, in: folder)
    let deadline = Date(timeIntervalSinceNow: 60)
    while !folder.exists("cut/checkpoint.safetensors"), Date() < deadline { Thread.sleep(forTimeInterval: 0.02) }
    run.process.terminate()
    _ = try run.finish()
    try #require(folder.exists("cut/checkpoint.safetensors"))
    #expect(!folder.exists("cut/report.json"), "it ended before it could be stopped")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("cut").path)
    #expect(names == ["checkpoint.safetensors"], "\(names)")
    let options = ["--embedding", "sx", "--epochs", "60", "--decay-after", "60", "--quiet", "--output"]
    for name in ["cut", "whole"] {
      #expect(try Tool.start(data + small + options + [name, "--resume"], in: folder).finish().status == 0)
    }
    #expect(try folder.read("cut/model.safetensors") == folder.read("whole/model.safetensors"))
    #expect(try folder.read("cut/embedding.dpq") == folder.read("whole/embedding.dpq"))
  }

  @Test func progressSaysWhatEachEpochCameTo() throws {
    let lines = try train("--epochs", "2", quiet: false).errors.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("epoch 1/2") && lines[0].contains("valid ") && lines[0].hasSuffix(" left"))
    #expect(lines[1].hasPrefix("epoch 2/2") && lines[1].contains("words/s"))
  }

  @Test func wrongUseIsRefused() throws {
    for (option, value) in [
      ("--keep", "0"), ("--keep", "1.5"), ("--learning-rate", "nan"), ("--clip", "-1"), ("--epochs", "0"),
      ("--codes", "1"), ("--groups", "0"), ("--vocabulary-size", "1"), ("--temperature", "0"), ("--rank", "0"),
    ] {
      try Tool.fail(64, option, data + [option, value], in: folder)
    }
    try Tool.fail(64, "--output", data + ["--resume"], in: folder)
    try Tool.fail(64, "groups", data + ["--dimension", "10", "--groups", "7", "--embedding", "sx"], in: folder)
    try Tool.fail(64, "sequences", data + small + ["--batch", "100000"], in: folder)
    var missing = data
    missing[3] = "none.txt"
    try Tool.fail(66, "none.txt", missing, in: folder)
    try folder.write("", "empty.txt")
    missing[3] = "empty.txt"
    try Tool.fail(65, "empty.txt", missing, in: folder)
  }
}
