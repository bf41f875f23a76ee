import ArgumentParser
import DPQ

/// `dpq decode MODEL -o OUT`.
struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Write the table that a compressed file stands for.",
    discussion: """
      The name of the output decides its format (.npy, .safetensors, .txt, .bin, .fbin) unless --format does.
      """)

  @Argument(help: "Compressed table.", completion: .file(extensions: ["dpq"]))
  var model: String
  @Option(help: "Format to write.")
  var format: TableFormat?

  @OptionGroup var writing: OutputArguments
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func run() throws {
    let job = TableExport(
      output: writing.output, format: try TableExport.format(format, for: writing.output), force: writing.force,
      threads: threading.threads, report: report)
    try writing.check(inputs: [model])
    try job.run(CompressedTable(path: model))
  }
}
