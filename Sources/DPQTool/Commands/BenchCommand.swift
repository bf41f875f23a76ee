import ArgumentParser
import DPQ
import DPQTasks

/// `dpq bench KERNEL`.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Time a kernel on given or made data.",
    discussion: """
      The kernel alone is timed, not the reading of files: runs to warm up, for a tenth of a second, which are not \
      counted, then --repeat more; "seconds" is their median. Codes and codewords can be written, so that anyone can \
      check what was computed. DPQ_ISA=avx2 or DPQ_ISA=scalar in the environment times another instruction-set level.
      """,
    subcommands: [
      BenchAssignCommand.self, BenchReconstructCommand.self, BenchKMeansCommand.self, BenchTrainCommand.self,
      BenchLookupCommand.self,
    ])
}

/// The data a kernel is timed on.
struct BenchDataArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Table of rows; made from the seed by default.", valueName: "file"), completion: .file())
  var input: String?
  @Option(
    help: ArgumentHelp(
      "Codewords: .npy, float32, groups x codes x width, or 1 x codes x width for all groups.", valueName: "file"),
    completion: .file(extensions: ["npy"]))
  var codebook: String?
  @Option(help: ArgumentHelp("Rows to make (default: 65536).", valueName: "n"))
  var rows: Int?
  @Option(help: ArgumentHelp("Values of a row to make (default: 300).", valueName: "n"))
  var dimension: Int?
  @Option(help: ArgumentHelp("Groups of a row (default: 50).", valueName: "n"))
  var groups: Int?
  @Option(help: ArgumentHelp("Codewords of a group (default: 256).", valueName: "n"))
  var codes: Int?
  @Flag(help: "Make one codebook for all groups.")
  var shared = false
  @Option(help: ArgumentHelp("Seed of what is made.", valueName: "n"))
  var seed: UInt64 = 1

  func validate() throws {
    for (name, value) in [("rows", rows), ("dimension", dimension), ("groups", groups), ("codes", codes)]
    where (value ?? 1) < 1 {
      throw ValidationError("--\(name) takes 1 or more")
    }
    guard input == nil || (rows == nil && dimension == nil) else {
      throw ValidationError("--rows and --dimension are for made rows: leave them out with --input")
    }
    guard codebook == nil || (codes == nil && !shared) else {
      throw ValidationError("--codes and --shared are for made codewords: leave them out with --codebook")
    }
  }

  /// The rows, read or made.
  func table(threads: Int, rows made: Int = 65_536) throws(DPQError) -> EmbeddingTable {
    guard let input else {
      return try KernelBenchmark.rows(rows ?? made, dimension: dimension ?? 300, seed: seed)
    }
    var options = TableReadOptions()
    options.threads = threads
    return try EmbeddingTable.read(input, options: options)
  }

  /// The layout that is asked for where no codebook tells it.
  func layout(dimension: Int) throws(DPQError) -> CodeLayout {
    try CodeLayout(dimension: dimension, groups: groups ?? 50, codes: codes ?? 256, isShared: shared)
  }

  /// The codewords read, or `nil` where none were given.
  func givenCodebook(dimension: Int) throws(DPQError) -> Codebook? {
    guard let codebook else { return nil }
    return try Codebook.read(npy: codebook, dimension: dimension, groups: groups)
  }

  /// The codewords, read or made.
  func anyCodebook(dimension: Int) throws(DPQError) -> Codebook {
    if let given = try givenCodebook(dimension: dimension) { return given }
    return try KernelBenchmark.codebook(layout(dimension: dimension), seed: seed)
  }
}

/// How a kernel is timed, and how that is told.
struct BenchRunArguments: ParsableArguments {
  @Option(name: .customLong("repeat"), help: ArgumentHelp("Runs that are counted.", valueName: "n"))
  var repeats = 5
  @Flag(help: "Replace output files that exist.")
  var force = false
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func validate() throws {
    if !(1...10_000).contains(repeats) { throw ValidationError("--repeat takes 1 to 10000") }
  }

  var threads: Int { Runtime.threadCount(threading.threads) }

  /// Makes sure, before any work is done, that `output` can be written.
  func check(_ output: String?, inputs: [String?]) throws(DPQError) {
    guard let output else { return }
    try OutputFile.check(output, replacing: force, inputs: inputs.compactMap { $0 })
  }
}

/// What a timed kernel did, for the report.
struct BenchResult {
  /// Name of the kernel and what else distinguishes the run.
  var kernel: String
  var times: KernelBenchmark.Times
  /// Rows of one run.
  var rows: Int
  var layout: TierLayout
  /// Multiplications and additions of one run; `nil` where they do not count.
  var operations: Double?
  /// Bytes one run must at least read and write.
  var bytes: Double
  var threads: Int
  /// Members of the JSON object that only this kernel has.
  var more: [(String, JSON)] = []

  /// The middle of `values`, or the mean of the two in the middle.
  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
  }

  private var json: JSON {
    let median = Self.median(times.seconds)
    return .object(
      [
        ("seconds", .double(median)), ("seconds_all", .array(times.seconds.map { .double($0) })),
        ("rows_per_second", .double(Double(rows) / median)),
        ("gflops", operations.map { .double($0 / median * 1e-9) } ?? .null),
        ("gbytes_per_second", .double(bytes / median * 1e-9)),
        ("isa", .string(Runtime.instructionSet)), ("threads", .integer(threads)),
        ("kernel", .string(kernel)), ("rows", .integer(rows)), ("dimension", .integer(layout.dimension)),
        ("groups", .integer(layout.groups)), ("codes", .integer(layout.codes)),
        ("shared", .bool(layout.concat?.isShared ?? false)),
        ("processor_seconds_all", .array(times.processorSeconds.map { .double($0) })),
      ] + more)
  }

  private var text: String {
    let (seconds, median) = (times.seconds, Self.median(times.seconds))
    let spread = "\(Format.significant(seconds.min()!, 3)) to \(Format.significant(seconds.max()!, 3))"
    var pairs = [
      ("kernel", "\(kernel), \(Runtime.instructionSet), threads: \(threads)"),
      (
        "work",
        "\(Format.grouped(rows)) rows x \(layout.dimension), \(layout.text)"
      ),
      ("seconds", "\(Format.significant(median, 4)) (median of \(seconds.count), \(spread))"),
      ("rows/s", Format.significant(Double(rows) / median * 1e-6, 4) + " million"),
    ]
    if let operations { pairs.append(("GFLOP/s", Format.significant(operations / median * 1e-9, 4))) }
    pairs.append(("GB/s", Format.significant(bytes / median * 1e-9, 4)))
    return Format.pairs(pairs)
  }

  func print(_ report: ReportArguments) throws(DPQError) { try report.print(json, text) }
}
