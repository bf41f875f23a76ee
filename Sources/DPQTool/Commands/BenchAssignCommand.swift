import ArgumentParser
import DPQ

/// `dpq bench assign`.
struct BenchAssignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "assign", abstract: "Time finding the nearest codewords of all rows.")

  @OptionGroup var data: BenchDataArguments
  @Option(
    help: ArgumentHelp("Codes to write: .npy, rows x groups, u8 or above 256 codes u16.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var codesOut: String?
  @Flag(help: "Decide near ties in float64, as compress and encode do.")
  var exact = false
  @OptionGroup var timing: BenchRunArguments

  func run() throws {
    try timing.check(codesOut, inputs: [data.input, data.codebook])
    let table = try data.table(threads: timing.threads)
    let codebook = try data.anyCodebook(dimension: table.dimension)
    let (times, codes) = try KernelBenchmark.assign(
      table, codebook: codebook, isExact: exact, threads: timing.threads, repeats: timing.repeats)
    if let codesOut { try codes.write(npy: codesOut, replacing: timing.force) }
    let layout = codebook.layout
    try BenchResult(
      kernel: "assign", times: times, rows: table.rows, layout: .concat(layout),
      operations: 2 * Double(table.rows) * Double(layout.dimension) * Double(layout.codes),
      bytes: Double(table.rows)
        * Double(layout.dimension * table.elementType.byteCount + layout.groups * (layout.codes <= 256 ? 1 : 2)),
      threads: timing.threads, more: [("exact", .bool(exact))]
    ).print(timing.report)
  }
}
