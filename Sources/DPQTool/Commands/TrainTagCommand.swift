import ArgumentParser
import DPQ
import DPQTasks

extension Tagger.Decoder: ExpressibleByArgument {}

/// `dpq train tag`.
struct TrainTagCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tag",
    abstract: "Train a tagger of sequences (CoNLL-2000 chunking).",
    discussion: """
      The model is an embedding, dropout, LSTM cells in both directions, dropout, a linear map to the tags, and a \
      softmax or a conditional random field; Adam moves only the rows a batch uses. The weights of the best epoch on \
      the dev sentences are tested: by the F1 of chunks, as conlleval counts them, where all tags are O, B-… or I-…, \
      else by the share of right tags.

      Files hold one word a line in columns apart by blanks or tabs, and an empty line after each sentence. Words are \
      lower-cased. Row 0 is padding, row 1 every word that is not in the vocabulary.
      """)

  @OptionGroup var shared: EpochArguments
  @Option(parsing: .unconditional, help: ArgumentHelp("Column, counted from 1, that holds the word.", valueName: "n"))
  var wordColumn = 1
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Column, counted from 1, that holds the tag (default: the last).", valueName: "n"))
  var tagColumn: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Words seen less often in training are unknown.", valueName: "n"))
  var minCount = 2
  @Option(parsing: .unconditional, help: ArgumentHelp("LSTM cells of each direction.", valueName: "n"))
  var hidden = Tagger.Options().hidden
  @Option(help: "What turns scores into tags.")
  var decoder: Tagger.Decoder = .softmax
  @Option(parsing: .unconditional, help: ArgumentHelp("Share of values that dropout keeps.", valueName: "x"))
  var keep = Tagger.Options().keep
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the sentences.", valueName: "n"))
  var epochs = 10

  func validate() throws {
    try EpochArguments.checkWhole([
      ("--word-column", wordColumn), ("--tag-column", tagColumn), ("--min-count", minCount), ("--hidden", hidden),
      ("--epochs", epochs),
    ])
    try RunArguments.checkKeep(keep)
  }

  func run() throws {
    var reading = TaggingData.Options()
    (reading.train, reading.dev, reading.test) = (shared.train, shared.dev, shared.test)
    (reading.wordColumn, reading.tagColumn) = (wordColumn, tagColumn)
    (reading.minimumCount, reading.seed) = (minCount, shared.runOptions.seed)
    if let size = shared.vocabularySize { reading.vocabularySize = size }
    var model = Tagger.Options()
    (model.hidden, model.decoder, model.keep) = (hidden, decoder, keep)
    (model.seed, model.threads) = (shared.runOptions.seed, shared.runOptions.threading.threads)
    var training = EpochTrainer.Options()
    (training.epochs, training.batch, training.rate, training.decay) = (epochs, 16, 4e-3, 0.85)
    try shared.run(training, read: { try TaggingData(reading) }, words: \.vocabulary) { data, layer in
      try TaggingProblem(data, embedding: layer, options: model)
    }
  }
}
