import DPQ

/// A problem learned from examples to report: training, compression, export, and the export tested again.
package struct EpochTask {
  /// How the problem is learned.
  package var options: EpochTrainer.Options
  /// What its embedding is.
  package var embedding: EmbeddingOptions
  /// Folder for everything that is written; nothing is where `nil`.
  package var folder: RunFolder?
  /// Whether to go on from the checkpoint in ``folder``.
  package var isResumed = false

  /// Makes a task.
  package init(options: EpochTrainer.Options, embedding: EmbeddingOptions) {
    self.options = options
    self.embedding = embedding
  }

  /// Values of the embedding start in [−scale, scale) where nothing else is asked for.
  private static let initialScale: Float = 0.1

  /// The embedding layer that the options ask for, with a row for each word.
  ///
  /// - Throws: `invalidArgument` where the options do not fit the shape; `outOfMemory`.
  package func makeLayer(for vocabulary: Vocabulary, dimension: Int) throws(DPQError) -> any EmbeddingLayer {
    try embedding.makeLayer(
      for: vocabulary, dimension: dimension, scale: Self.initialScale, seed: options.seed, threads: options.threads)
  }

  /// Trains, writes and reports. The embedding of `problem` was made by ``makeLayer(for:dimension:)``.
  ///
  /// - Throws: `cancelled` where `progress` returns `false`; what training and writing throw; `corruptFile` where the
  ///   exported embedding does not give the result that training ended with.
  package func run(
    _ problem: any LearningProblem, progress: (EpochTrainer.Progress) -> Bool
  ) throws(DPQError) -> TaskReport {
    try folder?.create()
    let layer = problem.embedding
    let trainer = try EpochTrainer(problem, description: embedding.trainedSummary, options: options)
    try trainer.train(checkpoint: folder?.path(.checkpoint), resume: isResumed, progress: progress)

    let start = Runtime.clock
    let tensors = problem.tensors
    var valid = trainer.bestEpoch.map { trainer.history[$0].dev } ?? .nan
    var compressed = try layer.export(vocabulary: problem.vocabulary, recipe: recipe(problem))
    if embedding.kind.isCompressedLater {
      compressed = try embedding.compress(
        layer, vocabulary: problem.vocabulary, seed: options.seed, threads: options.threads)
    }
    var test = try problem.score(.test)
    var exported: Double?
    var codeUse: [[Int]]?
    if let compressed {
      let table = try compressed.stored(in: folder)
      codeUse = try table.codeUse()
      problem.embedding = TableEmbedding(table)
      let again = try problem.score(.test)
      exported = again.value
      if embedding.kind.isCompressedLater {
        valid = try problem.score(.dev).value
        test = again
      } else if again.value != test.value {
        throw DPQError(
          .corruptFile,
          "the exported table gives \(again.value) for the \(problem.metric) on the test data, where training ended with "
            + "\(test.value)", .init(file: folder?.path(.embedding)))
      }
      problem.embedding = layer
    }

    let plan = compressed?.plan
    var report = TaskReport(
      task: problem.task, data: problem.dataName, embedding: embedding.kind.rawValue, metric: problem.metric,
      valid: valid, test: test.value, ratio: plan?.ratio ?? layer.storedRatio,
      paperRatio: plan?.paperRatio ?? layer.storedRatio,
      embeddingBytes: plan.map { $0.fileBytes - $0.vocabularyBytes } ?? layer.storedBytes,
      tableBytes: 4 * layer.rows * layer.dimension, seconds: trainer.seconds + Runtime.clock - start,
      tokensPerSecond: trainer.tokensPerSecond, seed: options.seed)
    if let layout = try embedding.layout(dimension: layer.dimension) {
      report.groups = layout.groups
      report.codes = layout.codes
      report.isShared = layout.isShared
    }
    report.details = details(problem, trainer, test.details, exported: exported)
    report.look = (layer as? AdaptiveEmbedding).map {
      AdaptiveLook($0, vocabulary: problem.vocabulary, labels: problem.wordLabels)
    }
    if let folder {
      let isKept = compressed != nil
      let own = Set((layer.parameters.map(\.name) + layer.buffers.map(\.name)))
      try Checkpoint.write(
        to: folder.path(.model), metadata: [("task", problem.task), ("embedding", embedding.summary)],
        tensors: isKept ? tensors.filter { !own.contains($0.name) } : tensors)
      try folder.write(report, codeUse: codeUse, words: compressed == nil ? problem.vocabulary : nil)
      try draw(problem, trainer, to: folder)
    }
    return report
  }

  private func recipe(_ problem: any LearningProblem) -> String {
    let members: [(String, JSON)] = [
      ("task", .string(problem.task)), ("embedding", .string(embedding.summary)),
      ("settings", .string(options.fingerprint)), ("epochs", .integer(options.epochs)),
    ]
    return JSON.object(members + problem.identity.map { ($0.name, .string($0.value)) }).text
  }

  private func details(
    _ problem: any LearningProblem, _ trainer: EpochTrainer, _ test: [(String, JSON)], exported: Double?
  ) -> [(String, JSON)] {
    let history = trainer.history
    return [("test_exported", exported.map { .double($0) } ?? .null)] + test.map { ("test_\($0)", $1) } + [
      ("settings", .string(embedding.summary)), ("vocabulary", .integer(problem.vocabulary.count)),
      ("dimension", .integer(problem.embedding.dimension)),
    ] + problem.details + [
      ("epochs", .integer(history.count)), ("best_epoch", trainer.bestEpoch.map { .integer($0 + 1) } ?? .null),
      ("train_losses", .array(history.map { .double($0.loss) })),
      ("dev_scores", .array(history.map { .double($0.dev) })), ("batch", .integer(options.batch)),
      ("learning_rate", .float(options.rate)), ("decay", .float(options.decay)),
      ("threads", .integer(Runtime.threadCount(options.threads))), ("isa", .string(Runtime.instructionSet)),
    ]
  }

  private func draw(_ problem: any LearningProblem, _ trainer: EpochTrainer, to folder: RunFolder) throws(DPQError) {
    func points(_ value: (EpochTrainer.Epoch) -> Double) -> [(x: Double, y: Double)] {
      trainer.history.enumerated().map { (x: Double($0.offset + 1), y: value($0.element)) }
    }
    var chart = LineChart(
      title: "\(problem.task == "tag" ? "Tagging" : "Inference"), \(embedding.summary)", xLabel: "epoch",
      yLabel: "loss, nats", series: [.init("train", points(\.loss), hasDots: true)])
    chart.mark = trainer.bestEpoch.map { (x: Double($0 + 1), name: "best on dev") }
    try folder.write(chart.svg, to: .loss)
    chart.yLabel = "\(problem.metric), %"
    chart.series = [.init("dev", points { 100 * $0.dev }, hasDots: true)]
    try folder.write(chart.svg, to: .score)
  }
}
