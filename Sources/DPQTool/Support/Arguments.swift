import ArgumentParser
import DPQ
import DPQTasks

extension Metric: ExpressibleByArgument {}
extension Similarity: ExpressibleByArgument {}
extension Codebook.Storage: ExpressibleByArgument {}
extension CompressionOptions.Method: ExpressibleByArgument {}
extension CompressionOptions.Start: ExpressibleByArgument {}
extension DuplicatePolicy: ExpressibleByArgument {}
extension NonFinitePolicy: ExpressibleByArgument {}
extension TableFormat: ExpressibleByArgument {
  /// On the command line a format is always one to write.
  public init?(argument: String) {
    self.init(rawValue: argument)
    guard isWritable else { return nil }
  }

  /// What the help lists.
  public static var allValueStrings: [String] { allCases.filter(\.isWritable).map(\.rawValue) }
}

/// Options of every command that reads a plain table.
struct ReadingArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Tensor to read from a safetensors or npz file.", valueName: "name"))
  var tensor: String?
  @Option(
    help: ArgumentHelp(
      "Words of the rows: a word list, tokenizer.json, tokenizer_config.json or vocab.txt.", valueName: "file"),
    completion: .file())
  var vocabulary: String?
  @Option(help: ArgumentHelp("What to do where a word stands twice.", valueName: "policy"))
  var duplicates: DuplicatePolicy = .error
  @Option(help: ArgumentHelp("What to do with rows that hold NaN or infinite values.", valueName: "policy"))
  var nonFinite: NonFinitePolicy = .error

  /// Reads a table that is not compressed.
  func read(_ path: String, threads: Int = 0) throws(DPQError) -> EmbeddingTable {
    guard !CompressedFile.isCompressed(path) else {
      throw DPQError(
        .malformedInput, "the table is compressed already: 'dpq decode' gives a plain one", .init(file: path))
    }
    var options = TableReadOptions()
    options.tensor = tensor
    options.vocabularyPath = vocabulary
    options.duplicates = duplicates
    options.nonFinite = nonFinite
    options.threads = threads
    return try EmbeddingTable.read(path, options: options)
  }

  /// Opens a table of either kind.
  func open(_ path: String, threads: Int = 0) throws(DPQError) -> AnyTable {
    guard CompressedFile.isCompressed(path) else { return .plain(try read(path, threads: threads)) }
    guard tensor == nil, vocabulary == nil, duplicates == .error, nonFinite == .error else {
      throw DPQError(
        .invalidArgument,
        "--tensor, --vocabulary, --duplicates and --non-finite say how to read a plain table; this one is compressed",
        .init(file: path))
    }
    return .compressed(try CompressedTable(path: path))
  }
}

/// Where a result goes.
struct OutputArguments: ParsableArguments {
  @Option(name: .shortAndLong, help: ArgumentHelp("File to write.", valueName: "file"), completion: .file())
  var output: String
  @Flag(help: "Replace the output file if it exists.")
  var force = false

  /// Makes sure, before any work is done, that the file can be written and is none of the inputs.
  func check(inputs: [String]) throws(DPQError) { try OutputFile.check(output, replacing: force, inputs: inputs) }
}

/// What is told on the way and at the end.
struct ReportArguments: ParsableArguments {
  @Flag(help: "Print the result as JSON.")
  var json = false
  @Flag(name: .shortAndLong, help: "No progress, no notes, no report.")
  var quiet = false

  /// Prints a report: as JSON, or for people, or not at all.
  func print(_ value: @autoclosure () -> JSON, _ text: @autoclosure () -> String) throws(DPQError) {
    guard json || !quiet else { return }
    var output = StandardOutput()
    try output.write(json ? value().text + "\n" : text())
    try output.flush()
  }
}

/// How many threads work.
struct ThreadArguments: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Threads to use; 0 for all processors. Results do not depend on it.", valueName: "n"))
  var threads = 0

  func validate() throws {
    if !(0...4096).contains(threads) { throw ValidationError("--threads takes 0 (all processors) to 4096") }
  }
}
