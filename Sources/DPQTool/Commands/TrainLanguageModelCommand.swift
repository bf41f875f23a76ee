import ArgumentParser
import DPQ
import DPQTasks

extension LanguageModelOptions.Preset: ExpressibleByArgument {}

/// `dpq train language-model`.
struct TrainLanguageModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "language-model",
    abstract: "Train a recurrent language model on plain text (PTB, WikiText-2).",
    discussion: """
      The model is that of Zaremba, Sutskever and Vinyals (2014): an embedding, two LSTM layers, a softmax. Words are \
      apart by white space and each line ends with <eos>; the vocabulary is that of the training text. The weights of \
      the epoch with the lowest validation perplexity are tested.
      """)

  @Option(help: ArgumentHelp("Text to train on; may be gzip or zstd compressed.", valueName: "file"))
  var train: String
  @Option(help: ArgumentHelp("Text to choose the best epoch by.", valueName: "file"))
  var valid: String
  @Option(help: ArgumentHelp("Text to test on.", valueName: "file"))
  var test: String
  @Option(help: "Settings of a model known from papers; the options below change them.")
  var preset: LanguageModelOptions.Preset = .ptbSmall
  @OptionGroup(title: "Embedding") var embedding: EmbeddingArguments
  @OptionGroup(title: "Embedding") var start: PretrainedArguments

  @Option(parsing: .unconditional, help: ArgumentHelp("Words to keep; all others are <unk>.", valueName: "n"))
  var vocabularySize: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Cells of a layer and values of a row.", valueName: "n"))
  var dimension: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the text.", valueName: "n"))
  var epochs: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Stop after that many batches.", valueName: "n"))
  var steps: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences trained on side by side.", valueName: "n"))
  var batch: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Words that gradients go back.", valueName: "n"))
  var unroll: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Step size of the first epochs.", valueName: "x"))
  var learningRate: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Factor on the step size each epoch later.", valueName: "x"))
  var decay: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Epochs at the first step size.", valueName: "n"))
  var decayAfter: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Largest norm of the gradient.", valueName: "x"))
  var clip: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Weights start in [-x, x).", valueName: "x"))
  var initScale: Float?
  @Option(parsing: .unconditional, help: ArgumentHelp("Share of values that dropout keeps.", valueName: "x"))
  var keep: Float?
  @OptionGroup var runOptions: RunArguments

  func validate() throws {
    let whole = [
      ("--dimension", dimension), ("--epochs", epochs), ("--steps", steps), ("--batch", batch), ("--unroll", unroll),
    ]
    for (name, value) in whole {
      if let value, !(1...1_000_000).contains(value) { throw ValidationError("\(name) takes 1 to 1000000") }
    }
    if let decayAfter, decayAfter < 0 { throw ValidationError("--decay-after takes a whole number from 0 on") }
    if let vocabularySize, vocabularySize < 2 {
      throw ValidationError("--vocabulary-size takes a whole number from 2 on")
    }
    let real = [("--learning-rate", learningRate), ("--decay", decay), ("--clip", clip), ("--init-scale", initScale)]
    for (name, value) in real {
      if let value, !(value.isFinite && value > 0) { throw ValidationError("\(name) takes a number above 0") }
    }
    if let keep { try RunArguments.checkKeep(keep) }
  }

  func run() throws {
    var task = LanguageModelTask(options: options, embedding: embedding.options)
    task.folder = try runOptions.folder()
    task.isResumed = runOptions.resume
    task.embedding.pretrained = try start.read(threads: runOptions.threading.threads)
    if dimension == nil, let table = task.embedding.pretrained?.table { task.options.model.dimension = table.dimension }
    let data = try LanguageModelData(train: train, valid: valid, test: test, vocabularySize: vocabularySize)
    var bar = ProgressBar(quiet: runOptions.report.quiet)
    let result = try task.run(data) { progress in
      if let epoch = progress.finished, !runOptions.report.quiet {
        bar.clear()
        StandardError.line(line(epoch, progress))
      } else {
        bar.update(
          "epoch \(progress.epoch + 1)/\(progress.epochs)", fraction: progress.fraction,
          details: "perplexity \(Format.fixed(progress.train, 1))  \(Format.grouped(Int(progress.tokensPerSecond)))/s")
      }
      return true
    }
    _ = consume bar
    try runOptions.print(result)
  }

  private var options: LanguageModelOptions {
    var options = LanguageModelOptions(preset)
    if let dimension { options.model.dimension = dimension }
    if let epochs { options.epochs = epochs }
    options.steps = steps
    if let batch { options.model.batch = batch }
    if let unroll { options.unroll = unroll }
    if let learningRate { options.rate = learningRate }
    if let decay { options.decay = decay }
    if let decayAfter { options.decayAfter = decayAfter }
    if let clip { options.clippingNorm = clip }
    if let initScale { options.model.scale = initScale }
    if let keep { options.model.keep = keep }
    options.model.seed = runOptions.seed
    options.model.threads = runOptions.threading.threads
    return options
  }

  private func line(_ epoch: LanguageModelTrainer.Epoch, _ progress: LanguageModelTrainer.Progress) -> String {
    "epoch \(progress.epoch)/\(progress.epochs)  rate \(Format.significant(Double(epoch.rate), 3))  "
      + "train \(Format.fixed(epoch.train, 2))  valid \(Format.fixed(epoch.valid, 2))  "
      + "\(Format.grouped(Int(progress.tokensPerSecond))) words/s"
      + (progress.secondsLeft.map { $0 > 0 ? "  \(Format.clock($0)) left" : "" } ?? "")
  }
}
