import ArgumentParser
import DPQ

/// `dpq convert IN OUT`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Write a table in another format.",
    discussion: """
      The name of the output decides its format (.npy, .safetensors, .txt, .bin, .fbin) unless --format does. \
      A compressed table is decoded.
      """)

  @Argument(help: "Table to read; - for standard input.", completion: .file())
  var input: String
  @Argument(help: "File to write.", completion: .file())
  var output: String
  @Option(help: "Format to write.")
  var format: TableFormat?
  @Flag(help: "Replace the output file if it exists.")
  var force = false

  @OptionGroup var reading: ReadingArguments
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func run() throws {
    let job = TableExport(
      output: output, format: try TableExport.format(format, for: output), force: force, threads: threading.threads,
      report: report)
    try OutputFile.check(output, replacing: force, inputs: [input, reading.vocabulary].compactMap { $0 })
    switch try reading.open(input, threads: threading.threads) {
    case .compressed(let table): try job.run(table)
    case .plain(let table): try job.run(table)
    }
  }
}
