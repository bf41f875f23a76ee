import ArgumentParser
import DPQ
import DPQTasks

/// Word vectors that training starts from.
struct PretrainedArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Table of word vectors, in any format, that the embedding starts from; words it has not start at random.",
      valueName: "file"), completion: .file())
  var pretrained: String?
  @Option(
    help: ArgumentHelp("Words of the rows of --pretrained, where it has none itself.", valueName: "file"),
    completion: .file())
  var vocabulary: String?

  func validate() throws {
    if vocabulary != nil, pretrained == nil { throw ValidationError("--vocabulary names the words of --pretrained") }
  }

  /// Reads the table, if one is asked for.
  func read(threads: Int) throws(DPQError) -> PretrainedTable? {
    guard let pretrained else { return nil }
    var options = TableReadOptions()
    options.vocabularyPath = vocabulary
    // Word lists made elsewhere may name a word twice; the first, more frequent one counts.
    options.duplicates = .first
    options.threads = threads
    return try PretrainedTable(EmbeddingTable.read(pretrained, options: options))
  }
}
