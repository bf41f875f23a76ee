import DPQ

/// A text classifier trained from texts to report: training, compression, export, and the export tested again.
package struct ClassificationTask {
  /// How the model is trained.
  package var options: ClassifierTrainer.Options
  /// What its embedding is.
  package var embedding: EmbeddingOptions
  /// Values of a row.
  package var dimension = 300
  /// Folder for everything that is written; nothing is where `nil`.
  package var folder: RunFolder?
  /// Whether to go on from the checkpoint in ``folder``.
  package var isResumed = false

  /// Values of the embedding start in [−scale, scale) where nothing else is asked for.
  private static let initialScale: Float = 0.05

  /// Makes a task.
  package init(options: ClassifierTrainer.Options, embedding: EmbeddingOptions) {
    self.options = options
    self.embedding = embedding
  }

  /// Trains, writes and reports.
  ///
  /// - Throws: `cancelled` where `progress` returns `false`; what training and writing throw; `corruptFile` where the
  ///   exported embedding does not give the results that training ended with.
  package func run(
    _ data: ClassificationData, progress: (ClassifierTrainer.Progress) -> Bool
  ) throws(DPQError) -> TaskReport {
    try folder?.create()
    let layer = try embedding.makeLayer(
      for: data.vocabulary, dimension: dimension, scale: Self.initialScale, seed: options.seed,
      threads: options.threads)
    let trainer = try ClassifierTrainer(
      data: data, embedding: layer, description: embedding.summary, options: options)
    try trainer.train(checkpoint: folder?.path(.checkpoint), resume: isResumed, progress: progress)

    let start = Runtime.clock
    let model = trainer.model
    let best = trainer.bestEvaluation
    var valid = best?.devAccuracy ?? .nan
    var test = try model.evaluate(data.test)
    var compressed = try layer.export(vocabulary: data.vocabulary, recipe: recipe)
    if embedding.kind.isCompressedLater {
      compressed = try embedding.compress(
        layer, vocabulary: data.vocabulary, seed: options.seed, threads: options.threads)
    }
    var exported: Double?
    var codeUse: [[Int]]?
    if let compressed {
      let table = try compressed.stored(in: folder)
      codeUse = try table.codeUse()
      model.embedding = TableEmbedding(table)
      let again = try model.evaluate(data.test)
      exported = again.accuracy
      if embedding.kind.isCompressedLater {
        valid = try model.evaluate(data.dev).accuracy
        test = again
      } else if again != test {
        throw DPQError(
          .corruptFile,
          "the exported table gives an accuracy of \(again.accuracy) and a loss of \(again.loss) on the test texts, "
            + "where training ended with \(test.accuracy) and \(test.loss)")
      }
    }

    let plan = compressed?.plan
    var report = TaskReport(
      task: "classify", data: data.name, embedding: embedding.kind.rawValue, metric: "accuracy", valid: valid,
      test: test.accuracy, ratio: plan?.ratio ?? layer.storedRatio, paperRatio: plan?.paperRatio ?? layer.storedRatio,
      embeddingBytes: plan.map { $0.fileBytes - $0.vocabularyBytes } ?? layer.storedBytes,
      tableBytes: 4 * layer.rows * layer.dimension, seconds: trainer.seconds + Runtime.clock - start,
      tokensPerSecond: trainer.tokensPerSecond, seed: options.seed)
    if let layout = try embedding.layout(dimension: dimension) {
      report.groups = layout.groups
      report.codes = layout.codes
      report.isShared = layout.isShared
    }
    report.details = details(data, trainer, testLoss: test.loss, exported: exported)
    report.look = (layer as? AdaptiveEmbedding).map {
      AdaptiveLook($0, vocabulary: data.vocabulary, labels: data.wordLabels)
    }
    if let folder {
      let table = compressed == nil ? layer.parameters.map { ($0.name, $0.value) } + layer.buffers : []
      try Checkpoint.write(
        to: folder.path(.model), metadata: [("task", "classify"), ("embedding", embedding.summary)],
        tensors: model.headTensors + table)
      try folder.write(report, codeUse: codeUse, words: compressed == nil ? data.vocabulary : nil)
      try draw(trainer.history, to: folder)
    }
    return report
  }

  private var recipe: String {
    let members: [(String, JSON)] = [
      ("task", .string("classify")), ("embedding", .string(embedding.summary)),
      ("settings", .string(options.fingerprint)),
    ]
    return JSON.object(members).text
  }

  private func details(
    _ data: ClassificationData, _ trainer: ClassifierTrainer, testLoss: Double, exported: Double?
  ) -> [(String, JSON)] {
    let history = trainer.history
    return [
      ("test_exported", exported.map { .double($0) } ?? .null), ("test_loss", .double(testLoss)),
      ("settings", .string(embedding.summary)), ("vocabulary", .integer(data.vocabulary.count)),
      ("classes", .integer(data.classes.count)), ("dimension", .integer(dimension)),
      (
        "texts",
        .object([
          ("train", .integer(data.train.count)), ("dev", .integer(data.dev.count)), ("test", .integer(data.test.count)),
        ])
      ),
      ("steps", .integer(options.steps)), ("best_step", trainer.bestEvaluation.map { .integer($0.step) } ?? .null),
      ("batch", .integer(options.batch)), ("keep", .float(options.keep)), ("learning_rate", .float(options.rate)),
      ("final_learning_rate", options.finalRate.map { .float($0) } ?? .null),
      ("evaluated_steps", .array(history.map { .integer($0.step) })),
      ("train_losses", .array(history.map { .double($0.trainLoss) })),
      ("dev_losses", .array(history.map { .double($0.devLoss) })),
      ("dev_accuracies", .array(history.map { .double($0.devAccuracy) })),
      ("changed_codes", .array(history.map { .double($0.changedCodes) })),
      ("threads", .integer(Runtime.threadCount(options.threads))), ("isa", .string(Runtime.instructionSet)),
    ]
  }

  private func draw(_ history: [ClassifierTrainer.Evaluation], to folder: RunFolder) throws(DPQError) {
    func points(_ value: (ClassifierTrainer.Evaluation) -> Double) -> [(x: Double, y: Double)] {
      history.map { (x: Double($0.step), y: value($0)) }
    }
    func write(_ file: RunFolder.File, _ chart: LineChart) throws(DPQError) {
      try folder.write(chart.svg, to: file)
    }
    let best = history.max { ($0.devAccuracy, -$0.devLoss) < ($1.devAccuracy, -$1.devLoss) }
    let mark = best.map { (x: Double($0.step), name: "best on dev") }
    var chart = LineChart(
      title: "Text classification, \(embedding.summary)", xLabel: "step", yLabel: "cross-entropy, nats",
      series: [
        .init("train", points(\.trainLoss), hasDots: true), .init("dev", points(\.devLoss), hasDots: true),
      ])
    chart.mark = mark
    try write(.loss, chart)
    chart.yLabel = "accuracy, %"
    chart.series = [.init("dev", points { 100 * $0.devAccuracy }, hasDots: true)]
    try write(.accuracy, chart)
    if history.contains(where: { $0.changedCodes.isFinite }) {
      chart.title = "Codes that changed since the evaluation before"
      chart.yLabel = "share of all codes, %"
      chart.series = [.init("changed", points { 100 * $0.changedCodes }, hasDots: true)]
      try write(.codeChanges, chart)
    }
  }
}
