import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Reading texts, training, checkpoints, reports.
@Suite struct LanguageModelTrainerTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Sentences of a made language in which a word says a lot about the next one.
  static func text(lines: Int, words: Int, seed: UInt64) -> String {
    var generator = SeededGenerator(seed: seed)
    var text = ""
    for _ in 0..<lines {
      var word = generator.index(below: words)
      for _ in 0..<(4 + generator.index(below: 8)) {
        text += "w\(word) "
        word = generator.index(below: 10) < 8 ? (7 * word + 3) % words : generator.index(below: words)
      }
      text += "\n"
    }
    return text
  }

  private func data(words: Int = 60) throws -> LanguageModelData {
    try LanguageModelData(
      train: folder.write("train", Self.text(lines: 700, words: words, seed: 1)),
      valid: folder.write("valid", Self.text(lines: 60, words: words, seed: 2)),
      test: folder.write("test", Self.text(lines: 60, words: words, seed: 3)))
  }

  private func options(epochs: Int, threads: Int = 1, keep: Float = 1) -> LanguageModelOptions {
    var options = LanguageModelOptions()
    options.model.dimension = 24
    options.model.batch = 10
    options.model.keep = keep
    options.model.threads = threads
    options.unroll = 8
    options.epochs = epochs
    options.decayAfter = 3
    options.evaluationStreams = 2
    return options
  }

  @Test func textsBecomeNumbers() throws {
    let data = try LanguageModelData(
      train: folder.write("a", "b a\tb\n\nc  a b\r\n"), valid: folder.write("b", "a c"),
      test: folder.write("c", "b b\n"))
    // <eos> and b three times, then a, then c: equal counts by their bytes.
    #expect((0..<4).map { data.vocabulary[$0] } == ["<eos>", "b", "a", "c"])
    #expect(data.vocabulary.count == 4)
    #expect(data.train == [1, 2, 1, 0, 0, 3, 2, 1, 0])
    #expect(data.valid == [2, 3, 0])
    #expect(data.test == [1, 1, 0])
  }

  @Test func unknownWordsGetARowOfTheirOwn() throws {
    let train = try folder.write("a", "b a b\nb a c\n")
    let other = try folder.write("b", "x b\n")
    let data = try LanguageModelData(train: train, valid: other, test: train)
    #expect((0..<data.vocabulary.count).map { data.vocabulary[$0] } == ["b", "<eos>", "a", "c", "<unk>"])
    #expect(data.valid == [4, 0, 1])
    let cut = try LanguageModelData(train: train, valid: train, test: train, vocabularySize: 3)
    #expect((0..<cut.vocabulary.count).map { cut.vocabulary[$0] } == ["b", "<eos>", "<unk>"])
    #expect(cut.train == [0, 2, 0, 1, 0, 2, 2, 1])
    #expect(throws: DPQError.self) {
      try LanguageModelData(train: folder.write("d", ""), valid: train, test: train)
    }
    #expect(throws: DPQError.self) { try LanguageModelData(train: folder.path + "/none", valid: train, test: train) }
  }

  @Test(arguments: [("ptb", "ptb.%.txt.zst", 10_000, [929_589, 73_760, 82_430])])
  func publishedTextsHaveTheirPublishedSizes(_ name: String, _ form: String, _ rows: Int, _ counts: [Int]) throws {
    guard let path = SharedData.path(name) else { return }
    func file(_ part: String) -> String { path + "/" + form.replacingOccurrences(of: "%", with: part) }
    let data = try LanguageModelData(train: file("train"), valid: file("valid"), test: file("test"))
    #expect(data.vocabulary.count == rows)
    #expect([data.train.count, data.valid.count, data.test.count] == counts)
  }

  @Test func theStepSizeFallsAsThePaperSays() {
    let options = LanguageModelOptions(.ptbSmall)
    #expect((0..<7).map(options.rate(epoch:)) == [1, 1, 1, 1, 0.5, 0.25, 0.125])
    #expect(LanguageModelOptions(.ptbMedium).rate(epoch: 6) == 0.8)
  }

  @Test func trainingLearnsTheLanguage() throws {
    let data = try data()
    var options = options(epochs: 12)
    options.decayAfter = 9
    let task = LanguageModelTask(options: options, embedding: EmbeddingOptions(.full))
    let report = try task.run(data) { _ in true }
    // A word is followed by one of 60 in a fifth of all cases, else by one alone; lines end after 4 to 11 words.
    let test = try #require(report.test)
    #expect(test > 4 && test < 15, "\(test)")
    #expect(report.ratio == 1 && report.embeddingBytes == report.tableBytes)
  }

  @Test(arguments: [EmbeddingKind.full, .sx, .vq, .scalar8, .lowRank, .pq])
  func threadsDoNotChangeResults(_ kind: EmbeddingKind) throws {
    let data = try data(words: 500)
    var embedding = EmbeddingOptions(kind)
    embedding.groups = 8
    let reports = try [1, 2].map { threads in
      var options = options(epochs: 1, threads: threads, keep: 0.8)
      options.model.dimension = 48
      options.steps = 30
      return try LanguageModelTask(options: options, embedding: embedding).run(data) { _ in true }
    }
    #expect(reports[0].test == reports[1].test && reports[0].valid == reports[1].valid)
    #expect(reports[0].embeddingBytes == reports[1].embeddingBytes)
  }

  @Test(arguments: [EmbeddingKind.full, .sx, .vq])
  func aResumedRunEndsAsOneThatWasNotStopped(_ kind: EmbeddingKind) throws {
    let data = try data()
    var embedding = EmbeddingOptions(kind)
    embedding.groups = 6
    embedding.isShared = true
    embedding.unusedLimit = kind == .vq ? 5 : nil
    func run(_ name: String, epochs: Int, resumed: Bool, stop: Int? = nil) throws -> TaskReport {
      var task = LanguageModelTask(options: options(epochs: epochs, keep: 0.8), embedding: embedding)
      task.folder = RunFolder(folder.path + "/" + name)
      task.isResumed = resumed
      return try task.run(data) { progress in stop.map { progress.epoch < $0 || progress.fraction < 0.6 } ?? true }
    }
    let whole = try run("whole", epochs: 4, resumed: false)
    // Stopped in the middle of the third epoch: what it had done of that is done again.
    #expect(throws: DPQError.self) { try run("parts", epochs: 4, resumed: false, stop: 2) }
    let resumed = try run("parts", epochs: 4, resumed: true)
    #expect(resumed.test == whole.test && resumed.valid == whole.valid)
    for name in ["model.safetensors"] + (kind == .full ? [] : ["embedding.dpq"]) {
      let files = try ["whole", "parts"].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/\($0)/\(name)"))
      }
      #expect(files[0] == files[1], "\(name)")
    }
    // A finished run only reports again.
    #expect(try run("parts", epochs: 4, resumed: true).test == whole.test)
  }

  @Test func anotherRunsCheckpointIsRefused() throws {
    let data = try data()
    var task = LanguageModelTask(options: options(epochs: 1), embedding: EmbeddingOptions(.full))
    task.folder = RunFolder(folder.path + "/run")
    _ = try task.run(data) { _ in true }
    task.isResumed = true
    task.options.rate = 0.5
    #expect(throws: DPQError.self) { try task.run(data) { _ in true } }
    task.options.rate = 1
    task.embedding = EmbeddingOptions(.sx)
    task.embedding.groups = 6
    #expect(throws: DPQError.self) { try task.run(data) { _ in true } }
    // Codes made after training need no training of their own.
    task.embedding.kind = .pq
    var batches = 0
    let report = try task.run(data) { _ in
      batches += 1
      return true
    }
    #expect(batches == 0 && report.codes == 8 && report.ratio > 1)

    let checkpoint = RunFolder(folder.path + "/run").path(.checkpoint)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: checkpoint))
    for length in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
      try bytes.prefix(length).write(to: URL(fileURLWithPath: checkpoint))
      #expect(throws: DPQError.self, "\(length) bytes") { try task.run(data) { _ in true } }
    }
  }

  @Test func exportedCodesGiveTheSamePerplexity() throws {
    let data = try data()
    for kind in [EmbeddingKind.sx, .vq] {
      var embedding = EmbeddingOptions(kind)
      embedding.groups = 6
      embedding.codes = 16
      var task = LanguageModelTask(options: options(epochs: 2), embedding: embedding)
      task.folder = RunFolder(folder.path + "/" + kind.rawValue)
      let report = try task.run(data) { _ in true }
      let exported = report.details.first { $0.0 == "test_exported" }?.1
      #expect(exported?.text == JSON.double(report.test!).text)
      let table = try CompressedTable(path: task.folder!.path(.embedding))
      #expect(table.rows == data.vocabulary.count && table.dimension == 24)
      #expect(report.embeddingBytes < report.tableBytes)
    }
  }

  @Test func divergenceIsAnError() throws {
    let data = try data()
    var options = options(epochs: 3)
    options.rate = 1e30
    options.clippingNorm = 1e30
    let task = LanguageModelTask(options: options, embedding: EmbeddingOptions(.full))
    #expect(throws: DPQError.self) { try task.run(data) { _ in true } }
  }
}
