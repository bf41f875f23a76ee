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
  @OptionGroup(title: "Reading --pretrained") var reading: ReadingArguments

  func validate() throws {
    if reading.vocabulary != nil, pretrained == nil {
      throw ValidationError("--vocabulary names the words of --pretrained")
    }
  }

  /// Reads the table, if one is asked for.
  func read(threads: Int) throws(DPQError) -> PretrainedTable? {
    guard let pretrained else { return nil }
    let table = try reading.read(pretrained, threads: threads)
    guard table.vocabulary != nil else {
      throw DPQError(
        .invalidArgument, "has no words to match: name a list of them with --vocabulary", .init(file: pretrained))
    }
    return try PretrainedTable(table)
  }
}
