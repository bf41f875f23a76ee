import ArgumentParser
import DPQ
import DPQTasks

/// What the tasks share that are trained in passes over examples: data, embedding, training, output.
struct EpochArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Examples to train on; may be gzip or zstd compressed.", valueName: "file"))
  var train: String
  @Option(
    help: ArgumentHelp("Examples to choose the best epoch by; else a tenth of --train, by the seed.", valueName: "file")
  )
  var dev: String?
  @Option(help: ArgumentHelp("Examples to test on.", valueName: "file"))
  var test: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Rows of the table at most, padding and unknown words included.", valueName: "n"))
  var vocabularySize: Int?

  @OptionGroup(title: "Embedding") var embedding: EmbeddingArguments
  @OptionGroup(title: "Embedding") var start: PretrainedArguments
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Values of a row (default: 100, or as many as --pretrained has).", valueName: "n"))
  var dimension: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("Stop after that many batches.", valueName: "n"))
  var steps: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Examples of a batch.", valueName: "n"))
  var batch: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Step size of Adam in the first epoch.", valueName: "x"))
  var learningRate: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Factor on the step size each epoch later.", valueName: "x"))
  var decay: Float?
  @OptionGroup var runOptions: RunArguments

  func validate() throws {
    try Self.checkWhole([("--dimension", dimension), ("--steps", steps), ("--batch", batch)])
    if let vocabularySize, vocabularySize < 3 {
      throw ValidationError("--vocabulary-size takes a whole number from 3 on")
    }
    for (name, value) in [("--learning-rate", learningRate), ("--decay", decay)] {
      if let value, !(value.isFinite && value > 0) { throw ValidationError("\(name) takes a number above 0") }
    }
  }

  /// Checks numbers that are counts of something.
  static func checkWhole(_ options: [(String, Int?)]) throws {
    for (name, value) in options {
      if let value, !(1...1_000_000).contains(value) { throw ValidationError("\(name) takes 1 to 1000000") }
    }
  }

  /// Learns a problem and prints the report.
  ///
  /// - Parameters:
  ///   - options: Those of the task, which the arguments change.
  ///   - read: Reads the data.
  ///   - words: The vocabulary of the data.
  ///   - problem: Makes the problem of the data and the embedding layer.
  func run<Data>(
    _ options: EpochTrainer.Options, read: () throws -> Data, words: (Data) -> Vocabulary,
    problem: (Data, any EmbeddingLayer) throws -> any LearningProblem
  ) throws {
    let folder = try runOptions.folder()
    var options = options
    options.steps = steps
    if let batch { options.batch = batch }
    if let learningRate { options.rate = learningRate }
    if let decay { options.decay = decay }
    options.seed = runOptions.seed
    options.threads = runOptions.threading.threads

    var bar = ProgressBar(quiet: runOptions.report.quiet)
    bar.update("read", fraction: 0)
    let data = try read()
    var task = EpochTask(options: options, embedding: embedding.options)
    task.folder = folder
    task.isResumed = runOptions.resume
    task.embedding.pretrained = try start.read(threads: runOptions.threading.threads)
    let dimension = dimension ?? task.embedding.pretrained?.table.dimension ?? 100
    let learned = try problem(data, try task.makeLayer(for: words(data), dimension: dimension))
    let result = try task.run(learned) { progress in
      if let epoch = progress.finished, !runOptions.report.quiet {
        bar.clear()
        StandardError.line(line(epoch, progress, learned.metric))
      } else {
        bar.update(
          "epoch \(progress.epoch + 1)/\(progress.epochs)", fraction: progress.fraction,
          details: "loss \(Format.fixed(progress.loss, 4))  \(Format.grouped(Int(progress.tokensPerSecond))) words/s")
      }
      return true
    }
    _ = consume bar
    try runOptions.print(result)
  }

  private func line(_ epoch: EpochTrainer.Epoch, _ progress: EpochTrainer.Progress, _ metric: String) -> String {
    "epoch \(progress.epoch)/\(progress.epochs)  loss \(Format.fixed(epoch.loss, 4))  "
      + "dev \(metric) \(Format.fixed(100 * epoch.dev, 2)) %  "
      + "\(Format.grouped(Int(progress.tokensPerSecond))) words/s"
      + (progress.secondsLeft.map { $0 > 0 ? "  \(Format.clock($0)) left" : "" } ?? "")
  }
}
