import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Reading pairs of sentences.
@Suite struct PairDataTests {
  private static let rows = [
    ("NEUTRAL", "A dog runs", "the cat"), ("ENTAILMENT", "the dog", "Dog!"), ("-", "a", "b"),
    ("NEUTRAL", "", "cat, a cat"), ("CONTRADICTION", "a", "the"),
  ]

  /// The same pairs in the layout of SICK, of SNLI as published, and of plain lines.
  private static func text(_ layout: String) -> String {
    switch layout {
    case "sick":
      "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
        + rows.enumerated().map { "\($0)\t\($1.1)\t\($1.2)\t3.4\t\($1.0)\n" }.joined()
    case "published":
      "gold_label\tparse\tsentence1\tsentence2\tpairID\tlabel1\n"
        + rows.map { "\($0.0)\t( x )\t\($0.1)\t\($0.2)\t17.jpg\tneutral\n" }.joined()
    default: rows.map { "\($0.0)\t\($0.1)\t\($0.2)\n" }.joined()
    }
  }

  @Test(arguments: ["sick", "published", "plain"])
  func everyLayoutGivesTheSamePairs(_ layout: String) throws {
    let folder = try TemporaryFolder()
    var options = PairData.Options()
    options.train = try folder.write("train", Self.text(layout))
    options.dev = try folder.write("dev", Self.text("plain"))
    options.test = try folder.write("test", "NEUTRAL\tA horse\tdog")
    let data = try PairData(options)
    #expect(data.classes == ["CONTRADICTION", "ENTAILMENT", "NEUTRAL"])
    #expect(
      (0..<data.vocabulary.count).map { data.vocabulary[$0] } == [
        "<pad>", "<unk>", "a", "cat", "dog", "the", "runs",
      ])
    #expect(data.train.labels == [2, 1, 2, 0])
    #expect(data.train.words == [2, 4, 6, 5, 3, 5, 4, 4, 3, 2, 3, 2, 5])
    #expect(data.train.offsets == [0, 3, 5, 7, 8, 8, 11, 12, 13])
    #expect(data.dev == data.train)
    #expect(data.test.words == [2, 1, 4] && data.test.range(sentence: 1) == 2..<3)
  }

  @Test(
    arguments: [
      ("a\tx y\n", 1, "has 2 of 3 fields"), ("a\tx\ty\nb\tx\ty\n", nil, "holds fewer than 4 pairs"),
      ("a\tx\ty\na\tx\ty\n", nil, "has 1 classes"),
    ] as [(String, Int?, String)])
  func brokenFilesAreNamed(_ text: String, _ line: Int?, _ message: String) throws {
    let folder = try TemporaryFolder()
    var options = PairData.Options()
    options.train = try folder.write("train", text)
    options.test = options.train
    let error = #expect(throws: DPQError.self) { _ = try PairData(options) }
    #expect(error?.code == .malformedInput && error?.context.line == line)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test func labelsThatTrainingDoesNotHaveAreNamed() throws {
    let folder = try TemporaryFolder()
    var options = PairData.Options()
    options.train = try folder.write("train", Self.text("plain"))
    options.test = try folder.write("test", "NEUTRAL\tx\ty\nneutral\tx\ty\n")
    let error = #expect(throws: DPQError.self) { _ = try PairData(options) }
    #expect(error?.context.line == 2 && error?.message.contains("'neutral'") == true)
  }

  @Test func realPairsAreReadAsPublished() throws {
    guard let folder = SharedData.path("sick") else { return }
    var options = PairData.Options()
    options.train = folder + "/SICK_train.tsv.zst"
    options.dev = folder + "/SICK_dev.tsv.zst"
    options.test = folder + "/SICK_test.tsv.zst"
    let data = try PairData(options)
    #expect(data.train.count == 4500 && data.dev.count == 500 && data.test.count == 4927)
    #expect(data.test.labels.count { $0 == 2 } == 2793)
  }
}
