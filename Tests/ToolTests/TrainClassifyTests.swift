import Foundation
import Testing

/// `dpq train classify` on small made texts.
@Suite struct TrainClassifyTests {
  let folder: Folder

  init() throws {
    folder = try Folder()
    for (name, lines, seed) in [("train.tsv", 300, 1), ("test.tsv", 60, 2)] {
      var text = ""
      var state = UInt64(seed)
      for line in 0..<lines {
        text += "class\(line % 3)\t"
        for word in 0..<8 {
          state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          let number = (state >> 33) % 20
          text += word % 2 == 0 ? "w\(3 * number + UInt64(line % 3)) " : "w\(number), "
        }
        text += "\n"
      }
      try folder.write(text, name)
    }
  }

  private let data = ["train", "classify", "--train", "train.tsv", "--test", "test.tsv"]
  private let small = [
    "--dimension", "16", "--hidden", "8", "--batch", "16", "--groups", "4", "--codes", "8", "--learning-rate", "0.01",
  ]

  @Test(arguments: ["learned", "straight-through", "frequency", "random"])
  func adaptiveCodesMeetTheirTarget(_ choice: String) throws {
    let outcome = try train(
      "--embedding", "adaptive", "--tiers", "2x4,4x8,40", "--target-bits", "18", "--tier-choice", choice, "--steps",
      "150", "--evaluate-every", "50", "--output", "run", "--json")
    let report = try outcome.object
    let bits = try #require(report["bits_per_row"] as? Double)
    #expect(bits > 13 && bits <= 18)
    #expect(report["test_exported"] as? Double == report["test"] as? Double)
    let tiers = try #require(report["tiers"] as? [[String: Any]])
    #expect(tiers.map { $0["kind"] as? String } == ["concat", "concat", "binary"])
    #expect(tiers.reduce(0) { $0 + ($1["rows"] as? Int ?? 0) } == report["vocabulary"] as? Int)
    for name in ["bits_by_uses", "bits_by_association", "bits_by_label"] {
      let bands = try #require(report[name] as? [[String: Any]])
      #expect(!bands.isEmpty && bands.allSatisfy { (4...40).contains($0["bits"] as? Double ?? 0) })
    }
    let picture = try String(decoding: folder.read("run/tiers.svg"), as: UTF8.self)
    #expect(picture.hasPrefix("<svg") && picture.contains("mean bits by most frequent label"))
    let inspected = try Tool.start(["verify", "run/embedding.dpq"], in: folder).finish()
    #expect(inspected.status == 0)
  }

  @Test func adaptiveCodesNeedATarget() throws {
    for wrong in [["--embedding", "adaptive"], ["--embedding", "sx", "--tiers", "16,32"]] {
      let outcome = try Tool.start(data + small + wrong + ["--quiet"], in: folder).finish()
      #expect(outcome.status == 64 && outcome.errors.contains("--target-bits") || outcome.errors.contains("--tiers"))
    }
  }

  private func train(_ arguments: String...) throws -> Outcome {
    let outcome = try Tool.start(data + small + arguments + ["--quiet"], in: folder).finish()
    try #require(outcome.status == 0, "\(arguments): \(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    return outcome
  }

  @Test(arguments: ["full", "sx", "vq", "scalar8", "scalar6", "scalar4", "low-rank", "pq", "dpq-table"])
  func everyEmbeddingTrainsAndReports(_ kind: String) throws {
    let outcome = try train(
      "--embedding", kind, "--keep", "0.9", "--steps", "120", "--evaluate-every", "40", "--output", "run", "--json")
    #expect(
      orderedKeys(outcome.output).prefix(18) == [
        "task", "data", "embedding", "groups", "codes", "shared", "metric", "valid", "test", "ratio", "ratio_paper",
        "embedding_bytes", "table_bytes", "seconds", "tokens_per_second", "seed", "test_exported", "test_loss",
      ])
    let report = try outcome.object
    #expect(report["task"] as? String == "classify" && report["embedding"] as? String == kind)
    #expect(report["data"] as? String == "train.tsv, test.tsv" && report["metric"] as? String == "accuracy")
    #expect(report["evaluated_steps"] as? [Int] == [40, 80, 120] && report["keep"] as? Double == 0.9)
    let test = try #require(report["test"] as? Double)
    #expect(test > 0.6 && test <= 1)
    #expect(String(decoding: try folder.read("run/report.json"), as: UTF8.self) == outcome.output)
    let isCoded = ["sx", "vq", "pq", "dpq-table"].contains(kind)
    let pictures = ["loss.svg", "accuracy.svg"] + (isCoded ? ["code-use.svg"] : [])
    for name in pictures + (kind == "sx" || kind == "vq" ? ["code-changes.svg"] : []) {
      #expect(String(decoding: try folder.read("run/" + name), as: UTF8.self).contains("</svg>"))
    }
    #expect(folder.exists("run/model.safetensors") && folder.exists("run/embedding.dpq") == isCoded)
    #expect(folder.exists("run/words.txt") != isCoded)
    if kind == "full" {
      // The table and its words, as another command takes them.
      try Tool.succeed(
        "compress", "run/model.safetensors", "--tensor", "embedding.table", "--vocabulary", "run/words.txt",
        "--codes", "16", "-o", "later.dpq", in: folder)
      #expect(try Tool.succeed("get", "later.dpq", "<unk>", "w1", in: folder).output.hasPrefix("<unk> "))
    }
    guard isCoded else { return }
    #expect(report["test_exported"] as? Double == test)
    // What is claimed is what was written.
    let inspected = try Tool.succeed("inspect", "run/embedding.dpq", "--json", "--plots", "plots", in: folder).object
    #expect(inspected["ratio"] as? Double == report["ratio"] as? Double)
    #expect(folder.exists("plots/code-use.svg") && folder.exists("plots/code-perplexity.svg"))
    #expect(try Tool.succeed("get", "run/embedding.dpq", "<unk>", "w1", in: folder).output.hasPrefix("<unk> "))
  }

  @Test func aRunIsNotReplacedUnasked() throws {
    _ = try train("--steps", "5", "--output", "run")
    try Tool.fail(73, "--resume", data + small + ["--output", "run"], in: folder)
    _ = try train("--steps", "5", "--output", "run", "--force")
  }

  @Test func wrongUseAndBadTextsAreTold() throws {
    try Tool.fail(64, "--steps and --epochs", data + ["--steps", "3", "--epochs", "1"], in: folder)
    try Tool.fail(64, "--keep takes", data + ["--keep", "0"], in: folder)
    try Tool.fail(64, "--resume needs", data + ["--resume"], in: folder)
    try Tool.fail(64, "--text-column", data + ["--text-column", "0"], in: folder)
    try Tool.fail(66, "no such file", ["train", "classify", "--train", "none", "--test", "test.tsv"], in: folder)
    try folder.write("class0\tw1\nclass9\tw2\n", "other.tsv")
    try Tool.fail(
      65, "other.tsv, line 2", ["train", "classify", "--train", "train.tsv", "--test", "other.tsv"], in: folder)
  }

  @Test func theResultIsTheSameAtAnyThreadCount() throws {
    for threads in ["1", "2"] {
      _ = try train("--embedding", "vq", "--steps", "60", "--threads", threads, "--output", "run\(threads)")
    }
    #expect(try folder.read("run1/embedding.dpq") == folder.read("run2/embedding.dpq"))
    #expect(try folder.read("run1/model.safetensors") == folder.read("run2/model.safetensors"))
  }
}
