import DPQ

/// A language model trained from text to report: training, compression, export, and the export tested again.
package struct LanguageModelTask {
  /// How the model is trained.
  package var options: LanguageModelOptions
  /// What its embedding is.
  package var embedding: EmbeddingOptions
  /// Folder for everything that is written; nothing is where `nil`.
  package var folder: RunFolder?
  /// Whether to go on from the checkpoint in ``folder``.
  package var isResumed = false

  /// Makes a task.
  package init(options: LanguageModelOptions, embedding: EmbeddingOptions) {
    self.options = options
    self.embedding = embedding
  }

  /// Trains, writes and reports.
  ///
  /// - Throws: `cancelled` where `progress` returns `false`; what training and writing throw; `corruptFile` where the
  ///   exported embedding does not give the perplexity that training ended with.
  package func run(
    _ data: LanguageModelData, progress: (LanguageModelTrainer.Progress) -> Bool
  ) throws(DPQError) -> TaskReport {
    let (dimension, rows, threads) = (options.model.dimension, data.vocabulary.count, options.model.threads)
    let layer = try embedding.makeLayer(
      for: data.vocabulary, dimension: dimension, scale: options.model.scale, seed: options.model.seed,
      threads: threads)
    let trainer = try LanguageModelTrainer(
      data: data, embedding: layer, description: embedding.trainedSummary, options: options)
    try folder?.create()
    let checkpoint = folder?.path(.checkpoint)
    try trainer.train(checkpoint: checkpoint, resume: isResumed, progress: progress)

    let start = Runtime.clock
    var valid = trainer.bestEpoch.map { trainer.history[$0].valid } ?? .nan
    let isCompressedLater = embedding.kind.isCompressedLater
    let compressed =
      isCompressedLater
      ? try embedding.compress(layer, vocabulary: data.vocabulary, seed: options.model.seed, threads: threads)
      : try layer.export(vocabulary: data.vocabulary, recipe: recipe)
    var test = isCompressedLater ? .nan : try trainer.perplexity(data.test)
    if let folder {
      try trainer.writeModel(to: folder.path(.model), includesEmbedding: compressed == nil)
    }
    var exported: Double?
    var codeUse: [[Int]]?
    if let compressed {
      let table = try compressed.stored(in: folder)
      codeUse = try table.codeUse()
      trainer.model.embedding = TableEmbedding(table)
      let again = try trainer.perplexity(data.test)
      exported = again
      if isCompressedLater {
        test = again
        valid = try trainer.perplexity(data.valid)
      }
      guard again == test else {
        throw DPQError(
          .corruptFile, "gives a perplexity of \(again) on the test text, where training ended with \(test)",
          .init(file: folder?.path(.embedding)))
      }
    }

    let tableBytes = 4 * rows * dimension
    let plan = compressed?.plan
    var report = TaskReport(
      task: "language-model", data: data.name, embedding: embedding.kind.rawValue, metric: "perplexity", valid: valid,
      test: test, ratio: plan?.ratio ?? layer.storedRatio, paperRatio: plan?.paperRatio ?? layer.storedRatio,
      embeddingBytes: plan.map { $0.fileBytes - $0.vocabularyBytes } ?? layer.storedBytes, tableBytes: tableBytes,
      seconds: trainer.seconds + Runtime.clock - start, tokensPerSecond: trainer.tokensPerSecond,
      seed: options.model.seed)
    if let layout = try embedding.layout(dimension: dimension) {
      report.groups = layout.groups
      report.codes = layout.codes
      report.isShared = layout.isShared
    }
    report.details = details(data, trainer, exported: exported)
    report.look = (layer as? AdaptiveEmbedding).map { AdaptiveLook($0, vocabulary: data.vocabulary) }
    if let folder {
      try folder.write(report, codeUse: codeUse, words: compressed == nil ? data.vocabulary : nil)
      try draw(trainer.history, to: folder)
    }
    return report
  }

  private var recipe: String {
    let members: [(String, JSON)] = [
      ("task", .string("language-model")), ("embedding", .string(embedding.summary)),
      ("settings", .string(options.fingerprint)), ("epochs", .integer(options.epochs)),
    ]
    return JSON.object(members).text
  }

  private func details(
    _ data: LanguageModelData, _ trainer: LanguageModelTrainer, exported: Double?
  ) -> [(String, JSON)] {
    let history = trainer.history
    return [
      ("test_exported", exported.map { .double($0) } ?? .null), ("settings", .string(embedding.summary)),
      ("vocabulary", .integer(data.vocabulary.count)), ("dimension", .integer(options.model.dimension)),
      ("epochs", .integer(history.count)), ("best_epoch", trainer.bestEpoch.map { .integer($0 + 1) } ?? .null),
      ("train_perplexities", .array(history.map { .double($0.train) })),
      ("valid_perplexities", .array(history.map { .double($0.valid) })),
      ("changed_codes", .array(history.map { .double($0.changedCodes) })),
      ("learning_rate", .float(options.rate)), ("decay", .float(options.decay)),
      ("decay_after", .integer(options.decayAfter)), ("clip", .float(options.clippingNorm)),
      ("init_scale", .float(options.model.scale)), ("keep", .float(options.model.keep)),
      ("threads", .integer(Runtime.threadCount(options.model.threads))), ("isa", .string(Runtime.instructionSet)),
    ]
  }

  private func draw(_ history: [LanguageModelTrainer.Epoch], to folder: RunFolder) throws(DPQError) {
    func points(_ value: (LanguageModelTrainer.Epoch) -> Double) -> [(x: Double, y: Double)] {
      history.enumerated().map { (x: Double($0.offset + 1), y: value($0.element)) }
    }
    var chart = LineChart(
      title: "Language model, \(embedding.summary)", xLabel: "epoch", yLabel: "perplexity",
      series: [
        .init("train", points(\.train), hasDots: true), .init("valid", points(\.valid), hasDots: true),
      ])
    chart.isYLogarithmic = true
    try folder.write(chart.svg, to: .loss)
    if history.contains(where: { $0.changedCodes.isFinite }) {
      chart = LineChart(
        title: "Codes that an epoch changed", xLabel: "epoch", yLabel: "per cent of all codes",
        series: [.init("changed", points { 100 * $0.changedCodes }, hasDots: true)])
      try folder.write(chart.svg, to: .codeChanges)
    }
  }
}
