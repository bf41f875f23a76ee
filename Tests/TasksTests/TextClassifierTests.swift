import DPQ
import Testing

@testable import DPQTasks

/// The classifier and its training.
@Suite struct TextClassifierTests {
  /// Texts whose class shows in their words: class c uses words 2 + c, 2 + c + classes, … more often than others.
  private func texts(_ count: Int, classes: Int, words: Int, length: Int, seed: UInt64) -> LabelledTexts {
    var generator = SeededGenerator(seed: seed)
    var texts = LabelledTexts()
    for index in 0..<count {
      let label = index % classes
      for _ in 0..<length {
        var word = generator.index(below: words - 2)
        if generator.uniform() < 0.5 { word = word / classes * classes + label }
        texts.append(Int32(2 + min(word, words - 3)))
      }
      texts.finishText(label: Int32(label))
    }
    return texts
  }

  private func data(seed: UInt64 = 1) -> ClassificationData {
    ClassificationData(
      train: texts(400, classes: 3, words: 60, length: 12, seed: seed),
      dev: texts(90, classes: 3, words: 60, length: 12, seed: seed + 100),
      test: texts(90, classes: 3, words: 60, length: 12, seed: seed + 200),
      vocabulary: Vocabulary((0..<60).map { "w\($0)" }), classes: ["a", "b", "c"], name: "made")
  }

  private func layer(_ kind: String, rows: Int = 60, dimension: Int = 12) throws -> any EmbeddingLayer {
    guard kind != "full" else { return try FullEmbedding(rows: rows, dimension: dimension, scale: 0.3, seed: 5) }
    let layout = try CodeLayout(dimension: dimension, groups: 4, codes: 8)
    var options = DPQEmbedding.Options(kind == "sx" ? .sx : .vq, layout)
    options.seed = 5
    options.initialScale = 0.3
    return try DPQEmbedding(rows: rows, options: options)
  }

  @Test(arguments: [1, 0.7] as [Float]) func gradientsAgreeWithFiniteDifferences(keep: Float) throws {
    let texts = texts(7, classes: 3, words: 20, length: 6, seed: 3)
    let embedding = try FullEmbedding(rows: 20, dimension: 5, scale: 1, seed: 8)
    let model = try TextClassifier(embedding: embedding, classes: 3, hidden: 4, keep: keep, seed: 9)
    // Dropout is a function of the batches before: the same values are dropped each time.
    func train() throws -> Double {
      model.batches = 4
      return try model.train(texts, 0..<7)
    }
    // Kinks of the ReLUs do not fall between the two points of a difference this way.
    for layer in model.layers {
      guard layer is BatchNorm else { continue }
      for c in 0..<layer.parameters[1].value.columns { layer.parameters[1].value[0, c] = 0.1 * Float(c + 1) }
    }
    _ = try train()
    var checked = 0
    for parameter in model.parameters {
      let gradient = parameter.gradient.array
      let rows = parameter.touchedRows?.map { Int($0) } ?? Array(0..<parameter.value.rows)
      let (touched, columns) = (rows, parameter.value.columns)
      var (difference, size) = (0.0, 0.0)
      for (i, row) in touched.enumerated() {
        for c in 0..<columns {
          let value = parameter.value[row, c]
          let step: Float = 4e-3
          parameter.value[row, c] = value + step
          let above = try train()
          parameter.value[row, c] = value - step
          let below = try train()
          parameter.value[row, c] = value
          let expected = (above - below) / Double(2 * step)
          difference += (expected - Double(gradient[i * columns + c])) * (expected - Double(gradient[i * columns + c]))
          size += expected * expected
          checked += 1
        }
      }
      let error = (difference / max(size, 1e-6)).squareRoot()
      #expect(error < 0.02, "\(parameter.name): \(error)")
    }
    #expect(checked > 100)
  }

  @Test func meanPoolingIsAMeanAndItsTranspose() throws {
    var texts = LabelledTexts()
    for words: [Int32] in [[3, 3, 5], [], [2]] {
      for word in words { texts.append(word) }
      texts.finishText(label: 0)
    }
    var pooling = MeanPooling(rows: 8, threads: 1)
    pooling.load(texts, 0..<3)
    #expect(pooling.words == [2, 3, 5])
    let rows = try Matrix(rows: 4, columns: 2)
    for r in 0..<3 { for c in 0..<2 { rows[r, c] = Float(10 * r + c) } }
    let pooled = try pooling.forward(rows)
    #expect(abs(pooled[0, 0] - (2 * 10 + 20) / 3) < 1e-5 && pooled[1, 1] == 0 && pooled[2, 1] == 1)
    let upstream = try Matrix(rows: 3, columns: 2)
    upstream[0, 0] = 3
    upstream[1, 0] = 100
    upstream[2, 1] = 7
    try pooling.backward(upstream, into: rows)
    #expect(rows[0, 1] == 7 && abs(rows[1, 0] - 2) < 1e-5 && abs(rows[2, 0] - 1) < 1e-5 && rows[2, 1] == 0)
  }

  @Test(arguments: ["full", "sx", "vq"])
  func trainingLearnsAndIsTheSameAtAnyThreadCount(_ kind: String) throws {
    let data = data()
    var options = ClassifierTrainer.Options()
    options.steps = 150
    options.batch = 16
    options.hidden = 8
    options.evaluationInterval = 50
    options.rate = 5e-3
    var results: [[Float]] = []
    for threads in [1, 2] {
      options.threads = threads
      let trainer = try ClassifierTrainer(
        data: data, embedding: layer(kind), description: kind, options: options)
      try trainer.train()
      #expect(trainer.history.map(\.step) == [50, 100, 150])
      let best = try #require(trainer.bestEvaluation)
      #expect(best.devAccuracy > 0.7)
      // The model is that of the best step.
      #expect(try trainer.model.evaluate(data.dev).accuracy == best.devAccuracy)
      #expect(try trainer.model.evaluate(data.dev).loss == best.devLoss)
      #expect(trainer.history[0].changedCodes.isNaN && trainer.history[1].changedCodes.isNaN == (kind == "full"))
      results.append(trainer.model.parameters.flatMap(\.value.array))
    }
    #expect(results[0] == results[1])
  }

  @Test(arguments: ["full", "sx", "vq"])
  func resumedTrainingIsTheSameBitForBit(_ kind: String) throws {
    let folder = try TemporaryFolder()
    let data = data()
    var options = ClassifierTrainer.Options()
    options.steps = 60
    options.batch = 16
    options.hidden = 8
    options.keep = 0.7
    options.evaluationInterval = 20
    options.checkpointSeconds = 0
    let whole = try ClassifierTrainer(data: data, embedding: layer(kind), description: kind, options: options)
    try whole.train()
    let path = folder.path + "/checkpoint"
    let first = try ClassifierTrainer(data: data, embedding: layer(kind), description: kind, options: options)
    #expect(throws: DPQError.self) { try first.train(checkpoint: path) { $0.step < 50 } }
    let second = try ClassifierTrainer(data: data, embedding: layer(kind), description: kind, options: options)
    var steps: [Int] = []
    try second.train(checkpoint: path, resume: true) {
      steps.append($0.step)
      return true
    }
    #expect(steps == Array(41...60))
    #expect(second.model.parameters.flatMap(\.value.array) == whole.model.parameters.flatMap(\.value.array))
    #expect(second.model.buffers.flatMap(\.value.array) == whole.model.buffers.flatMap(\.value.array))
    #expect(second.history.map(\.devLoss) == whole.history.map(\.devLoss))

    for change in [{ $0.seed = 2 }, { $0.keep = 0.8 }] as [(inout ClassifierTrainer.Options) -> Void] {
      var changed = options
      change(&changed)
      let other = try ClassifierTrainer(data: data, embedding: layer(kind), description: kind, options: changed)
      let error = #expect(throws: DPQError.self) { try other.train(checkpoint: path, resume: true) }
      #expect(error?.code == .malformedInput)
    }
  }

  @Test(arguments: ["sx", "vq"])
  func exportedCodesReproduceTheEvaluation(_ kind: String) throws {
    let folder = try TemporaryFolder()
    let data = data()
    var options = ClassifierTrainer.Options()
    options.steps = 60
    options.batch = 16
    options.hidden = 8
    options.evaluationInterval = 20
    let trainer = try ClassifierTrainer(data: data, embedding: layer(kind), description: kind, options: options)
    try trainer.train()
    let model = trainer.model
    let path = folder.path + "/embedding.dpq"
    _ = try #require(try model.embedding.export(vocabulary: data.vocabulary, recipe: "{}")).write(to: path)
    let direct = try model.logits(data.test, 0..<data.test.count).array
    model.embedding = try TableEmbedding(CompressedTable(path: path))
    let reloaded = try model.logits(data.test, 0..<data.test.count).array
    #expect(direct == reloaded)
  }
}
