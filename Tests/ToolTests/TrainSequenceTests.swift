import DPQ
import Foundation
import Testing

/// `dpq train tag` and `dpq train infer` on a few made sentences.
@Suite struct TrainSequenceTests {
  private static let keys = [
    "task", "data", "embedding", "groups", "codes", "shared", "metric", "valid", "test", "ratio", "ratio_paper",
    "embedding_bytes", "table_bytes", "seconds", "tokens_per_second", "seed", "test_exported",
  ]

  private func folder() throws -> Folder {
    let folder = try Folder()
    var columns = ""
    for i in 0..<40 {
      columns += "The DT B-NP\n\(["dog", "cat"][i % 2]) NN I-NP\n\(["ran", "sat"][i / 2 % 2]) VBD B-VP\n\n"
    }
    try folder.write(columns, "columns.txt")
    var pairs = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    for i in 0..<40 {
      let second = ["dog", "cat"][i / 2 % 2]
      pairs += "\(i)\tA dog runs\tThe \(second) runs\t3.1\t\(second == "dog" ? "ENTAILMENT" : "NEUTRAL")\n"
    }
    try folder.write(pairs, "pairs.tsv")
    return folder
  }

  private func arguments(_ task: String) -> [String] {
    let file = task == "tag" ? "columns.txt" : "pairs.tsv"
    return [
      "train", task, "--train", file, "--dev", file, "--test", file, "--dimension", "8", "--hidden", "6", "--batch",
      "8",
      "--epochs", "3", "--groups", "4", "--codes", "4", "--threads", "1",
    ]
  }

  private func run(_ arguments: [String], in folder: Folder) throws -> Outcome {
    let outcome = try Tool.start(arguments, in: folder).finish()
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
    return outcome
  }

  @Test(arguments: ["tag", "infer"], ["full", "sx", "vq", "pq", "scalar8"])
  func reportsAndFilesAreThoseOfEveryTask(_ task: String, _ embedding: String) throws {
    let folder = try folder()
    let outcome = try run(
      arguments(task) + ["--embedding", embedding, "-o", "run", "--json", "--learning-rate", "0.02"], in: folder)
    let keys = orderedKeys(outcome.output)
    #expect(Array(keys.prefix(Self.keys.count)) == Self.keys)
    let report = try outcome.object
    #expect(report["task"] as? String == task)
    #expect(report["metric"] as? String == (task == "tag" ? "f1" : "accuracy"))
    #expect(try #require(report["test"] as? Double) > 0.9)
    #expect(outcome.errors.split(separator: "\n").count == 3)
    #expect(try String(decoding: folder.read("run/report.json"), as: UTF8.self) == outcome.output)
    let isCoded = ["sx", "vq", "pq"].contains(embedding)
    for name in ["checkpoint.safetensors", "model.safetensors", "report.json", "loss.svg", "score.svg"] {
      #expect(folder.exists("run/\(name)"), "\(name)")
    }
    #expect(folder.exists("run/embedding.dpq") == isCoded && folder.exists("run/words.txt") != isCoded)
    guard isCoded else { return }
    #expect(report["test_exported"] as? Double == report["test"] as? Double)
    try Tool.succeed("verify", "run/embedding.dpq", "--quiet", in: folder)
    let row = try Tool.succeed("get", "run/embedding.dpq", "dog", "--json", in: folder).objects
    #expect((row[0]["values"] as? [Double])?.count == 8)
  }

  @Test func trainingStartsFromVectorsInAnyFormat() throws {
    let folder = try folder()
    try folder.write("the 1 2\ncat -1 0.5\ndog 0 1\n", "vectors.txt")
    let common = Array(arguments("tag").prefix(8)) + ["--hidden", "4", "--epochs", "1", "--json", "--threads", "1"]
    let report = try run(common + ["--pretrained", "vectors.txt"], in: folder).object
    #expect(report["dimension"] as? Int == 2)
    try Tool.succeed("convert", "vectors.txt", "vectors.npy", in: folder)
    try folder.write("the\ncat\ndog\n", "words.txt")
    let again = try run(common + ["--pretrained", "vectors.npy", "--vocabulary", "words.txt"], in: folder).object
    #expect(again["train_losses"] as? [Double] == report["train_losses"] as? [Double])
    try Tool.fail(64, "no words", common + ["--quiet", "--pretrained", "vectors.npy"], in: folder)
    try Tool.fail(
      64, "have 2 values, not 8", arguments("tag") + ["--quiet", "--pretrained", "vectors.txt"], in: folder)
  }

  @Test(arguments: ["tag", "infer"])
  func runsGoOnAndAreNotOverwritten(_ task: String) throws {
    let folder = try folder()
    let arguments = arguments(task) + ["--embedding", "vq", "--quiet", "-o"]
    try Tool.succeed(arguments + ["whole"], in: folder)
    try Tool.succeed(arguments + ["parts", "--epochs", "2"], in: folder)
    try Tool.fail(73, "--resume goes on with it", arguments + ["parts"], in: folder)
    try Tool.succeed(arguments + ["parts", "--resume"], in: folder)
    #expect(try folder.read("parts/embedding.dpq") == folder.read("whole/embedding.dpq"))
    #expect(try folder.read("parts/model.safetensors") == folder.read("whole/model.safetensors"))
    try Tool.fail(
      65, "is of a run with other", arguments + ["parts", "--resume", "--learning-rate", "0.1"], in: folder)
    try Tool.succeed(arguments + ["parts", "--force"], in: folder)
  }

  @Test func aFullRunIsCompressedLaterWithoutTraining() throws {
    let folder = try folder()
    let full = try run(arguments("infer") + ["-o", "run", "--json"], in: folder).object
    let coded = try run(
      arguments("infer") + ["-o", "run", "--json", "--embedding", "pq", "--resume"], in: folder)
    #expect(try coded.object["train_losses"] as? [Double] == full["train_losses"] as? [Double])
    #expect(coded.errors.isEmpty)
    #expect(folder.exists("run/embedding.dpq"))
  }

  @Test func wrongUseAndBadDataAreNamed() throws {
    let folder = try folder()
    try folder.write("a X\nb\n", "ragged.txt")
    try folder.write("only one field\n", "plain.txt")
    let data = ["--dev", "columns.txt", "--test", "columns.txt", "--quiet"]
    try Tool.fail(
      65, "ragged.txt, line 2: has 1 columns", ["train", "tag", "--train", "ragged.txt"] + data, in: folder)
    try Tool.fail(66, "none.txt", ["train", "tag", "--train", "none.txt"] + data, in: folder)
    try Tool.fail(
      65, "plain.txt, line 1: has 1 of 3 fields",
      ["train", "infer", "--train", "plain.txt", "--test", "pairs.tsv", "--quiet"], in: folder)
    for wrong in [
      ["--keep", "0"], ["--hidden", "0"], ["--decoder", "none"], ["--resume"], ["--vocabulary", "words.txt"],
      ["--embedding", "none"],
    ] {
      let outcome = try Tool.start(["train", "tag", "--train", "columns.txt"] + data + wrong, in: folder).finish()
      #expect(outcome.status == 64, "\(wrong): \(outcome.errors)")
    }
  }
}

extension Tool {
  /// Runs `dpq`, which must succeed without a word on standard error.
  fileprivate static func succeed(_ arguments: [String], in folder: Folder) throws {
    let outcome = try start(arguments, in: folder).finish()
    try #require(outcome.status == 0 && outcome.errors.isEmpty, "\(arguments): \(outcome.errors)")
  }
}
