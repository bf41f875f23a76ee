import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Reading tagged sentences in columns.
@Suite struct TaggingDataTests {
  private static let sentences = [
    "The DT B-NP", "Dog NN I-NP", "barks VBZ B-VP", "", "the DT B-NP", "dog NN I-NP", ". . O", "", "dog NN B-NP", "",
    "the DT B-NP", "cat NN I-NP",
  ].joined(separator: "\n")

  private func options(_ folder: TemporaryFolder, train: String = sentences, test: String) throws
    -> TaggingData.Options
  {
    var options = TaggingData.Options()
    options.train = try folder.write("train.txt", train)
    options.dev = try folder.write("dev.txt", "Bird\tNN\tB-NP\n\n\n\nthe DT  I-XX \n")
    options.test = try folder.write("test.txt", test)
    return options
  }

  @Test func columnsBecomeNumbers() throws {
    let folder = try TemporaryFolder()
    let data = try TaggingData(options(folder, test: "\r\nÉté NN B-YY\r\n<unk> NN O"))
    #expect((0..<data.vocabulary.count).map { data.vocabulary[$0] } == ["<pad>", "<unk>", "dog", "the"])
    #expect(data.tags == ["B-NP", "B-VP", "I-NP", "O", "I-XX", "B-YY"])
    #expect(data.trainedTags == 4)
    #expect(data.tagsAreChunks)
    #expect(data.train.words == [3, 2, 1, 3, 2, 1, 2, 3, 1])
    #expect(data.train.tags == [0, 2, 1, 0, 2, 3, 0, 0, 2])
    #expect(data.train.offsets == [0, 3, 6, 7, 9])
    #expect(data.dev.words == [1, 3] && data.dev.tags == [0, 4] && data.dev.count == 2)
    #expect(data.test.words == [1, 1] && data.test.tags == [5, 3] && data.test.count == 1)
    #expect(data.name == "train.txt, dev.txt, test.txt")
  }

  @Test func otherColumnsMayBeTheTags() throws {
    let folder = try TemporaryFolder()
    var options = try options(folder, test: "a NN b")
    options.tagColumn = 2
    let data = try TaggingData(options)
    #expect(data.tags == [".", "DT", "NN", "VBZ"])
    #expect(!data.tagsAreChunks)
  }

  @Test func aPartIsSetApartBySeed() throws {
    let folder = try TemporaryFolder()
    var options = try options(
      folder, train: (0..<50).map { "w\($0 % 7) X\($0 % 3)\n" }.joined(separator: "\n"), test: "a X1")
    options.dev = nil
    let first = try TaggingData(options)
    #expect(first.dev.count == 5 && first.train.count == 45)
    #expect(try TaggingData(options).train == first.train)
    options.seed = 2
    #expect(try TaggingData(options).train != first.train)
  }

  @Test(
    arguments: [
      ("a X\nb\n", 2, "has 1 columns where the lines before have 2"),
      ("a\nb\n", 1, "has 1 column: word 1 and tag 1 are not two"), ("a X\n\nb X\n\nc X\n\nd X\n", nil, "only one tag"),
      ("a X\nb Y\n", nil, "holds fewer than 4 sentences"), ("", nil, "has no sentences"),
      ("a X\n\nb Y\n\nc Z\n\nd X\n", nil, "no word is in the vocabulary"),
    ] as [(String, Int?, String)])
  func brokenFilesAreNamed(_ text: String, _ line: Int?, _ message: String) throws {
    let folder = try TemporaryFolder()
    let options = try options(folder, train: text, test: "a X")
    let error = #expect(throws: DPQError.self) { _ = try TaggingData(options) }
    #expect(error?.code == .malformedInput)
    #expect(error?.context.line == line)
    #expect(error?.context.file == options.train)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test func chunkingDataAreReadAsPublished() throws {
    guard let folder = SharedData.path("conll2000") else { return }
    var options = TaggingData.Options()
    options.train = folder + "/train.txt.zst"
    options.test = folder + "/test.txt.zst"
    let data = try TaggingData(options)
    #expect(data.train.count + data.dev.count == 8936)
    #expect(data.train.words.count + data.dev.words.count == 211_727)
    #expect(data.test.count == 2012 && data.test.words.count == 47_377)
    #expect(data.trainedTags == 22 && data.tags.last == "I-LST")
  }
}
