import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Training in passes over examples: determinism, checkpoints, export, pre-trained rows.
@Suite struct EpochTrainerTests {
  /// Sentences in which the word decides the tag, but for `x`, whose tag is that of the word before.
  private static func tagging(_ folder: TemporaryFolder) throws -> TaggingData {
    func text(_ seed: UInt64, _ count: Int) -> String {
      var generator = SeededGenerator(seed: seed)
      return (0..<count).map { _ in
        var before = "O"
        return (0..<(2 + generator.index(below: 6))).map { _ in
          let word = ["a", "b", "c", "x"][generator.index(below: 4)]
          before = ["a": "B-A", "b": "B-B", "c": "O"][word] ?? before
          return "\(word) \(before)\n"
        }.joined()
      }.joined(separator: "\n")
    }
    var options = TaggingData.Options()
    options.train = try folder.write("train", text(1, 120))
    options.dev = try folder.write("dev", text(2, 30))
    options.test = try folder.write("test", text(3, 40))
    return try TaggingData(options)
  }

  /// Pairs that are `same` where both sentences hold the same word.
  private static func pairs(_ folder: TemporaryFolder) throws -> PairData {
    func text(_ seed: UInt64, _ count: Int) -> String {
      var generator = SeededGenerator(seed: seed)
      return (0..<count).map { _ in
        let words = (0..<2).map { _ in ["cat", "dog", "owl"][generator.index(below: 3)] }
        let label = words[0] == words[1] ? "same" : "other"
        return "\(label)\tthe \(words[0]) \(words[0])\t\(words[1]) there\n"
      }.joined()
    }
    var options = PairData.Options()
    options.train = try folder.write("train", text(1, 150))
    options.dev = try folder.write("dev", text(2, 40))
    options.test = try folder.write("test", text(3, 60))
    return try PairData(options)
  }

  private enum Task: String, CaseIterable { case softmax, crf, bag, lstm }

  private func problem(
    _ task: Task, _ kind: EmbeddingKind, _ epochs: EpochTask, threads: Int = 1
  ) throws -> any LearningProblem {
    let folder = try TemporaryFolder()
    if let decoder = Tagger.Decoder(rawValue: task.rawValue) {
      let data = try Self.tagging(folder)
      var options = Tagger.Options()
      (options.hidden, options.decoder, options.threads) = (8, decoder, threads)
      return try TaggingProblem(
        data, embedding: try epochs.makeLayer(for: data.vocabulary, dimension: 8), options: options)
    }
    let data = try Self.pairs(folder)
    var options = PairClassifier.Options()
    options.encoder = PairClassifier.Encoder(rawValue: task.rawValue)!
    (options.hidden, options.dense, options.threads) = (8, 16, threads)
    return try PairProblem(
      data, embedding: try epochs.makeLayer(for: data.vocabulary, dimension: 8), options: options)
  }

  private func epochs(_ kind: EmbeddingKind, _ count: Int = 6, threads: Int = 1) -> EpochTask {
    var options = EpochTrainer.Options()
    (options.epochs, options.batch, options.rate, options.threads) = (count, 8, 2e-2, threads)
    var embedding = EmbeddingOptions(kind)
    (embedding.groups, embedding.codes) = (4, 4)
    return EpochTask(options: options, embedding: embedding)
  }

  @Test(arguments: Task.allCases)
  private func easyProblemsAreLearned(_ task: Task) throws {
    let epochs = epochs(.full, 10)
    let report = try epochs.run(problem(task, .full, epochs)) { _ in true }
    #expect(report.test! > 0.9, "\(task): \(report.test!)")
    #expect(report.task == (task == .softmax || task == .crf ? "tag" : "infer"))
    #expect(report.metric == (task == .softmax || task == .crf ? "f1" : "accuracy"))
  }

  @Test(arguments: [EmbeddingKind.sx, .vq, .pq])
  private func exportsGiveWhatTrainingEndedWith(_ kind: EmbeddingKind) throws {
    for task in [Task.crf, .lstm] {
      let folder = try TemporaryFolder()
      var epochs = epochs(kind, 3)
      epochs.folder = RunFolder(folder.path + "/run")
      let report = try epochs.run(problem(task, kind, epochs)) { _ in true }
      let table = try CompressedTable(path: folder.path + "/run/embedding.dpq")
      #expect(table.dimension == 8 && table.rows >= 6)
      #expect(report.json.text.contains("\"test_exported\": \(report.test!)"))
      #expect(report.groups == 4 && report.ratio > 0)
      let weights = try CheckpointFile(path: folder.path + "/run/model.safetensors").names
      #expect(!weights.contains { $0.hasPrefix("embedding") } && !weights.isEmpty)
    }
  }

  @Test(arguments: Task.allCases)
  private func weightsAreTheSameAtAnyThreadCount(_ task: Task) throws {
    var weights: [[[Float]]] = []
    for threads in [1, 2, 3] {
      let epochs = epochs(.sx, 2, threads: threads)
      let problem = try problem(task, .sx, epochs, threads: threads)
      _ = try epochs.run(problem) { _ in true }
      weights.append(problem.tensors.map(\.value.array))
    }
    #expect(weights[0] == weights[1] && weights[0] == weights[2])
  }

  @Test(arguments: Task.allCases)
  private func resumedRunsEndAsRunsInOneGo(_ task: Task) throws {
    let folder = try TemporaryFolder()
    var whole = epochs(.vq, 4)
    whole.folder = RunFolder(folder.path + "/whole")
    let expected = try problem(task, .vq, whole)
    let report = try whole.run(expected) { _ in true }

    var first = epochs(.vq, 4)
    first.folder = RunFolder(folder.path + "/parts")
    #expect(throws: DPQError.self) {
      _ = try first.run(problem(task, .vq, first)) { $0.epoch < 2 || $0.fraction < 0.6 }
    }
    first.isResumed = true
    let resumed = try problem(task, .vq, first)
    var batches = 0
    let again = try first.run(resumed) { progress in
      if progress.finished == nil { batches += 1 }
      return true
    }
    #expect(again.test == report.test && again.valid == report.valid)
    #expect(resumed.tensors.map(\.value.array) == expected.tensors.map(\.value.array))
    #expect(batches == 2 * ((resumed.lengths.count + 7) / 8))
    for name in ["embedding.dpq", "model.safetensors"] {
      let files = try ["whole", "parts"].map {
        try Data(contentsOf: URL(fileURLWithPath: folder.path + "/\($0)/" + name))
      }
      #expect(files[0] == files[1], "\(name)")
    }

    var other = epochs(.vq, 4)
    other.options.rate = 1e-3
    other.folder = first.folder
    other.isResumed = true
    let error = #expect(throws: DPQError.self) { _ = try other.run(problem(task, .vq, other)) { _ in true } }
    #expect(error?.code == .malformedInput && error?.message.contains("settings") == true)
  }

  @Test func pretrainedRowsAreFoundByTheirWords() throws {
    let words = Vocabulary(["dog", "the", "cat"])
    let values: [Float] = [1, 2, -1, 0, 3, -3]
    let pretrained = try PretrainedTable(
      EmbeddingTable(rows: 3, dimension: 2, values: values.span, vocabulary: words))
    let vocabulary = Vocabulary(["<pad>", "<unk>", "cat", "bird", "dog"])
    let (table, found) = try pretrained.rows(for: vocabulary, seed: 5)
    #expect(found == 2 && table.rows == 5)
    #expect(try table.row(2) == [3, -3] && table.row(4) == [1, 2])
    // Mean square 23/4: drawn from within ±√(3 · 23/4).
    for row in [0, 1, 3] { #expect(try table.row(row).allSatisfy { abs($0) <= 4.16 && $0 != 0 }) }
    #expect(
      try pretrained.rows(for: Vocabulary(["x", "dog", "cat", "bird", "y"]), seed: 5).table.row(3) == table.row(3))
    #expect(throws: DPQError.self) { _ = try pretrained.rows(for: Vocabulary(["x"]), seed: 5) }
    #expect(throws: DPQError.self) {
      _ = try PretrainedTable(EmbeddingTable(rows: 3, dimension: 2, values: values.span))
    }

    var options = EmbeddingOptions(.full)
    options.pretrained = pretrained
    let full = try options.makeLayer(for: vocabulary, dimension: 2, scale: 1, seed: 5, threads: 1)
    var row: [Float] = [0, 0]
    var span = row.mutableSpan
    try full.forward(([2] as [Int32]).span, into: &span, training: false)
    #expect(row == [3, -3])
    options.kind = .vq
    (options.groups, options.codes) = (1, 2)
    let coded = try options.makeLayer(for: vocabulary, dimension: 2, scale: 1, seed: 5, threads: 1)
    let query = try #require(coded as? DPQEmbedding).query.value
    #expect([query[4, 0], query[4, 1]] == [1, 2])
    #expect(throws: DPQError.self) {
      _ = try options.makeLayer(for: vocabulary, dimension: 3, scale: 1, seed: 5, threads: 1)
    }
  }
}
