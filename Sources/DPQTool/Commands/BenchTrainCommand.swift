import ArgumentParser
import DPQ

/// `dpq bench train`.
struct BenchTrainCommand: ParsableCommand {
  /// The two forms of the layer.
  enum Variant: String, ExpressibleByArgument, CaseIterable {
    case sx, vq
  }

  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Time the forward and backward pass of a DPQ layer over one batch.",
    discussion: """
      All gradients are made: of the queries, the keys and, with sx, the values. The rows are the queries and the \
      gradient from above; the codewords are the keys and the values.
      """)

  @OptionGroup var data: BenchDataArguments
  @Option(help: "The form of the layer: softmax or vector quantization.")
  var variant: Variant = .sx
  @Option(help: ArgumentHelp("Rows of the batch, the first of the table (default: 8192).", valueName: "n"))
  var batch: Int?
  @Option(
    help: ArgumentHelp("Codes to write: .npy, batch x groups, u8 or above 256 codes u16.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var codesOut: String?
  @OptionGroup var timing: BenchRunArguments

  func validate() throws {
    if (batch ?? 1) < 1 { throw ValidationError("--batch takes 1 or more") }
  }

  func run() throws {
    try timing.check(codesOut, inputs: [data.input, data.codebook])
    let table = try data.table(threads: timing.threads, rows: batch ?? 8192)
    let rows = min(batch ?? 8192, table.rows)
    let codebook = try data.anyCodebook(dimension: table.dimension)
    let (times, codes) = try KernelBenchmark.layerStep(
      table, batch: rows, codebook: codebook, isSoftmax: variant == .sx, threads: timing.threads,
      repeats: timing.repeats)
    if let codesOut { try codes.write(npy: codesOut, replacing: timing.force) }
    let layout = codebook.layout
    let values = Double(rows) * Double(layout.dimension)
    // Responses; for the softmax also its gradient, and the products that carry it to the queries and to the keys.
    let products: Double = variant == .sx ? 4 : 1
    try BenchResult(
      kernel: "train", times: times, rows: rows, layout: .concat(layout),
      operations: 2 * products * values * Double(layout.codes),
      // Queries and the gradient from above in, rows and the gradient of the queries out.
      bytes: 16 * values, threads: timing.threads, more: [("variant", .string(variant.rawValue))]
    ).print(timing.report)
  }
}
