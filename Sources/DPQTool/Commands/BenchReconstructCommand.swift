import ArgumentParser
import DPQ

/// `dpq bench reconstruct`.
struct BenchReconstructCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reconstruct", abstract: "Time rebuilding all rows from their packed codes.",
    discussion: "The codes are those of the nearest codewords, found before the clock starts.")

  @OptionGroup var data: BenchDataArguments
  @Option(
    help: ArgumentHelp("Rebuilt rows to write: .npy, float32.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var rowsOut: String?
  @OptionGroup var timing: BenchRunArguments

  func run() throws {
    try timing.check(rowsOut, inputs: [data.input, data.codebook])
    let table = try data.table(threads: timing.threads)
    let codebook = try data.anyCodebook(dimension: table.dimension)
    let (times, rows) = try KernelBenchmark.reconstruct(
      table, codebook: codebook, threads: timing.threads, repeats: timing.repeats)
    if let rowsOut { try rows.write(to: rowsOut, format: .npy, replacing: timing.force) }
    try BenchResult(
      kernel: "reconstruct", times: times, rows: table.rows, layout: .concat(codebook.layout), operations: nil,
      bytes: Double(table.rows) * Double(4 * table.dimension + codebook.layout.rowBytes), threads: timing.threads
    ).print(timing.report)
  }
}
