import ArgumentParser
import DPQ
import DPQTasks

/// `dpq train classify`.
struct TrainClassifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Train a text classifier (AG News, IMDB, SST, or label<TAB>text).",
    discussion: """
      The model is that of the DPQ paper: the mean of the word embeddings, batch normalisation, ReLU, a dense layer, \
      batch normalisation, ReLU, a dense layer to the classes; Adam moves only the rows a batch uses. Every so many \
      steps it is evaluated on the dev texts, and the weights of the best step are tested. Without --dev a tenth of \
      the training texts, drawn by the seed, takes their place.

      Words are lower-cased runs of letters and digits, with apostrophes inside. Row 0 is padding, row 1 every word \
      that is not in the vocabulary.
      """)

  @Option(help: ArgumentHelp("Texts to train on; may be gzip or zstd compressed.", valueName: "file"))
  var train: String
  @Option(help: ArgumentHelp("Texts to choose the best step by.", valueName: "file"))
  var dev: String?
  @Option(help: ArgumentHelp("Texts to test on.", valueName: "file"))
  var test: String
  @OptionGroup(title: "Text") var text: TextArguments
  @OptionGroup(title: "Embedding") var embedding: EmbeddingArguments
  @OptionGroup(title: "Embedding") var start: PretrainedArguments

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Values of a row (default: 300, or as many as --pretrained has).", valueName: "n"))
  var dimension: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Width of the dense layer.", valueName: "n"))
  var hidden = ClassifierTrainer.Options().hidden
  @Option(parsing: .unconditional, help: ArgumentHelp("Share of values that dropout keeps.", valueName: "x"))
  var keep = ClassifierTrainer.Options().keep
  @Option(parsing: .unconditional, help: ArgumentHelp("Batches to train on.", valueName: "n"))
  var steps: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the texts, in place of --steps.", valueName: "n"))
  var epochs: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Texts of a batch.", valueName: "n"))
  var batch = ClassifierTrainer.Options().batch
  @Option(parsing: .unconditional, help: ArgumentHelp("Step size of Adam.", valueName: "x"))
  var learningRate = ClassifierTrainer.Options().rate
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Step size that the last steps come near, falling evenly (default: it stays).", valueName: "x"))
  var finalLearningRate: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Batches between evaluations on the dev texts.", valueName: "n"))
  var evaluateEvery = ClassifierTrainer.Options().evaluationInterval
  @OptionGroup var runOptions: RunArguments

  func validate() throws {
    let whole: [(String, Int?)] = [
      ("--dimension", dimension), ("--hidden", hidden), ("--steps", steps), ("--epochs", epochs), ("--batch", batch),
      ("--evaluate-every", evaluateEvery),
    ]
    for (name, value) in whole {
      if let value, !(1...10_000_000).contains(value) { throw ValidationError("\(name) takes 1 to 10000000") }
    }
    if steps != nil, epochs != nil { throw ValidationError("Choose one of --steps and --epochs") }
    guard learningRate.isFinite, learningRate > 0 else {
      throw ValidationError("--learning-rate takes a number above 0")
    }
    try RunArguments.checkKeep(keep)
    if let finalLearningRate, !(finalLearningRate.isFinite && finalLearningRate >= 0) {
      throw ValidationError("--final-learning-rate takes a number from 0 on")
    }
  }

  func run() throws {
    let folder = try runOptions.folder()
    var bar = ProgressBar(quiet: runOptions.report.quiet)
    bar.update("read", fraction: 0)
    let data = try ClassificationData(dataOptions)
    var task = ClassificationTask(options: options(for: data), embedding: embeddingOptions)
    task.embedding.pretrained = try start.read(threads: runOptions.threading.threads)
    task.dimension = dimension ?? task.embedding.pretrained?.table.dimension ?? task.dimension
    task.folder = folder
    task.isResumed = runOptions.resume
    let result = try task.run(data) { progress in
      if let evaluation = progress.finished, !runOptions.report.quiet {
        bar.clear()
        StandardError.line(line(evaluation, progress))
      } else {
        bar.update(
          "step \(progress.step)/\(progress.steps)", fraction: Double(progress.step) / Double(progress.steps),
          details: "loss \(Format.fixed(progress.loss, 4))  \(Format.grouped(Int(progress.tokensPerSecond))) words/s")
      }
      return true
    }
    _ = consume bar
    try runOptions.print(result)
  }

  /// The embedding asked for; 50 groups of 32 codes where nothing is said.
  private var embeddingOptions: EmbeddingOptions {
    var options = embedding.options
    if embedding.groups == nil { options.groups = 50 }
    if embedding.codes == nil { options.codes = 32 }
    return options
  }

  private var dataOptions: ClassificationData.Options {
    var options = ClassificationData.Options()
    options.train = train
    options.dev = dev
    options.test = test
    options.format = text.textFormat
    if let size = text.vocabularySize { options.vocabularySize = size }
    options.minimumCount = text.minCount
    options.seed = runOptions.seed
    return options
  }

  private func options(for data: ClassificationData) -> ClassifierTrainer.Options {
    var options = ClassifierTrainer.Options()
    if let steps { options.steps = steps }
    if let epochs { options.steps = (epochs * data.train.count + batch - 1) / batch }
    options.batch = batch
    options.rate = learningRate
    options.finalRate = finalLearningRate
    options.evaluationInterval = evaluateEvery
    options.hidden = hidden
    options.keep = keep
    options.seed = runOptions.seed
    options.threads = runOptions.threading.threads
    return options
  }

  private func line(_ evaluation: ClassifierTrainer.Evaluation, _ progress: ClassifierTrainer.Progress) -> String {
    "step \(evaluation.step)/\(progress.steps)  loss \(Format.fixed(evaluation.trainLoss, 4))  "
      + "dev \(Format.fixed(100 * evaluation.devAccuracy, 2)) %  \(Format.fixed(evaluation.devLoss, 4))  "
      + (evaluation.changedCodes.isFinite
        ? "codes changed \(Format.fixed(100 * evaluation.changedCodes, 1)) %  " : "")
      + "\(Format.grouped(Int(progress.tokensPerSecond))) words/s"
      + (progress.secondsLeft > 0 ? "  \(Format.clock(progress.secondsLeft)) left" : "")
  }
}
