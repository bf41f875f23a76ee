import ArgumentParser
import DPQ
import DPQTasks

extension PairClassifier.Encoder: ExpressibleByArgument {}
extension PairClassifier.Pooling: ExpressibleByArgument {}

/// `dpq train infer`.
struct TrainInferCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "infer",
    abstract: "Train a classifier of sentence pairs (SICK, SNLI).",
    discussion: """
      The model is one encoder for both sentences, what it tells of them as [u; v; |u - v|; u * v], a dense layer with \
      ReLU and dropout, and one to the classes; Adam moves only the rows a batch uses. The weights of the best epoch \
      on the dev pairs are tested.

      Files hold one pair a line, fields apart by tabs: SICK and SNLI as published are known by their header, others \
      are label<TAB>premise<TAB>hypothesis. Pairs with the label - are passed over. Words are lower-cased runs of \
      letters and digits, with apostrophes inside. Row 0 is padding, row 1 every word that is not in the vocabulary.
      """)

  @OptionGroup var shared: EpochArguments
  @Option(parsing: .unconditional, help: ArgumentHelp("Field, counted from 1, that holds the label.", valueName: "n"))
  var labelColumn: Int?
  @Option(help: ArgumentHelp("Fields, counted from 1, that hold the sentences: 2,3.", valueName: "n,m"))
  var textColumn: String?
  @Flag(help: "The first line names the fields.")
  var header = false
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Words seen less often in training are unknown.", valueName: "n"))
  var minCount = PairData.Options().minimumCount
  @Option(help: "How a sentence becomes a vector.")
  var encoder: PairClassifier.Encoder = .lstm
  @Option(help: "How the states of an LSTM encoder become one vector.")
  var pooling: PairClassifier.Pooling = .max
  @Option(parsing: .unconditional, help: ArgumentHelp("LSTM cells of each direction.", valueName: "n"))
  var hidden = PairClassifier.Options().hidden
  @Option(parsing: .unconditional, help: ArgumentHelp("Width of the dense layer.", valueName: "n"))
  var dense = PairClassifier.Options().dense
  @Option(parsing: .unconditional, help: ArgumentHelp("Share of values that dropout keeps.", valueName: "x"))
  var keep = PairClassifier.Options().keep
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the pairs.", valueName: "n"))
  var epochs = 15

  func validate() throws {
    try EpochArguments.checkWhole([
      ("--label-column", labelColumn), ("--min-count", minCount), ("--hidden", hidden), ("--dense", dense),
      ("--epochs", epochs),
    ])
    try RunArguments.checkKeep(keep)
    if textColumn != nil, textColumns == nil {
      throw ValidationError("--text-column takes two different numbers from 1 on: 2,3")
    }
  }

  private var textColumns: [Int]? {
    let columns = textColumn?.split(separator: ",", omittingEmptySubsequences: false).compactMap { Int($0) } ?? []
    return columns.count == 2 && columns[0] != columns[1] && columns.allSatisfy({ $0 >= 1 }) ? columns : nil
  }

  /// The layout asked for; `nil` where each file tells it.
  private var format: TextFormat? {
    guard labelColumn != nil || textColumn != nil || header else { return nil }
    var format = TextFormat.snli
    if let labelColumn { format.labelColumn = labelColumn }
    if let textColumns { format.textColumns = textColumns }
    format.hasHeader = header
    return format
  }

  func run() throws {
    var reading = PairData.Options()
    (reading.train, reading.dev, reading.test) = (shared.train, shared.dev, shared.test)
    (reading.format, reading.minimumCount, reading.seed) = (format, minCount, shared.runOptions.seed)
    if let size = shared.vocabularySize { reading.vocabularySize = size }
    var model = PairClassifier.Options()
    (model.encoder, model.pooling, model.hidden, model.dense, model.keep) = (encoder, pooling, hidden, dense, keep)
    (model.seed, model.threads) = (shared.runOptions.seed, shared.runOptions.threading.threads)
    var training = EpochTrainer.Options()
    (training.epochs, training.batch, training.rate, training.decay) = (epochs, 32, 1e-3, 0.9)
    try shared.run(training, read: { try PairData(reading) }, words: \.vocabulary) { data, layer in
      try PairProblem(data, embedding: layer, options: model)
    }
  }
}
