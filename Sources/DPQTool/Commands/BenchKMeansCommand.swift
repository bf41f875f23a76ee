import ArgumentParser
import DPQ

/// `dpq bench kmeans`.
struct BenchKMeansCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kmeans", abstract: "Time learning codebooks by k-means.",
    discussion: """
      Every run starts anew: from the codewords given, or from rows it chooses, which is part of its time. Then the first \
      third of the sweeps goes over every fourth row, as in dpq compress, where that leaves 64 rows a codeword; \
      operations and bytes count the rows gone over. "mse" is the mean squared error of a value over all rows, measured \
      afterwards.
      """)

  @OptionGroup var data: BenchDataArguments
  @Option(help: ArgumentHelp("Sweeps over the rows.", valueName: "n"))
  var epochs = 25
  @Option(
    help: ArgumentHelp("Codewords to write: .npy, float32, groups x codes x width.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var codebookOut: String?
  @OptionGroup var timing: BenchRunArguments

  func validate() throws {
    if !(1...1_000_000).contains(epochs) { throw ValidationError("--epochs takes 1 to 1000000") }
  }

  func run() throws {
    try timing.check(codebookOut, inputs: [data.input, data.codebook])
    let table = try data.table(threads: timing.threads)
    let start = try data.givenCodebook(dimension: table.dimension)
    let layout = try start?.layout ?? data.layout(dimension: table.dimension)
    let (times, rowsSwept, codebook, mse) = try KernelBenchmark.kmeans(
      table, layout: layout, start: start, sweeps: epochs, seed: data.seed, threads: timing.threads,
      repeats: timing.repeats)
    if let codebookOut { try codebook.write(npy: codebookOut, replacing: timing.force) }
    let swept = Double(rowsSwept)
    try BenchResult(
      kernel: "kmeans", times: times, rows: table.rows, layout: .concat(layout),
      operations: 2 * swept * Double(layout.dimension) * Double(layout.codes),
      bytes: swept * Double(layout.dimension * table.elementType.byteCount),
      threads: timing.threads, more: [("epochs", .integer(epochs)), ("mse", .double(mse))]
    ).print(timing.report)
  }
}
