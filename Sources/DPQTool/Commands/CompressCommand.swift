import ArgumentParser
import DPQ
import DPQTasks

/// `dpq compress IN -o OUT`.
struct CompressCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compress",
    abstract: "Learn codebooks for a table, code its rows and write a .dpq file.",
    discussion: """
      Each row is cut into groups of equal width, each group replaced by one of a few codewords. Say how with \
      --groups and --codes, or name a goal with --target-size, --ratio or --bits-per-dimension and leave the rest out. \
      Nothing said: kmeans, 256 codes, groups of 4 values.
      """)

  @Argument(help: "Table to compress; - for standard input.", completion: .file())
  var input: String
  @Option(
    name: .shortAndLong, help: ArgumentHelp("File to write (.dpq).", valueName: "file"), completion: .file())
  var output: String?
  @Flag(help: "Replace the output file if it exists.")
  var force = false
  @Flag(help: "Print what would be made, byte for byte, and stop.")
  var dryRun = false

  @Option(help: "How codebooks are learned: product quantization, or the DPQ layer trained on top of it.")
  var method: CompressionOptions.Method = .kmeans
  @Option(parsing: .unconditional, help: ArgumentHelp("Groups a row is cut into.", valueName: "n"))
  var groups: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Codewords of a group, 2 to 65536.", valueName: "n"))
  var codes: Int?
  @Flag(help: "One codebook for all groups.")
  var shared = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Largest file, vocabulary included: 25MB, 400kB, 1GiB.", valueName: "size"))
  var targetSize: ByteSize?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Smallest ratio of the float32 table to the file without its vocabulary.", valueName: "x"))
  var ratio: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Most bits of the file, without its vocabulary, a value of the table.", valueName: "x"))
  var bitsPerDimension: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Bits of a row, for --method binary.", valueName: "n"))
  var bits: Int?
  @Flag(help: "Several lengths of codes: each row takes the one that lowers the weighted error most for its bits.")
  var adaptive = false
  @Option(
    help: ArgumentHelp(
      "Lengths to choose from: bits of binary codes (16,32,64) or groups x codes (8x16,25x16); around the target by default.",
      valueName: "list"))
  var tiers: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Mean bits of a row with --adaptive, its place in the tier map counted.", valueName: "x"))
  var targetBits: Double?

  @Option(help: "What error means: distance, or angle with norms kept apart.")
  var metric: Metric = .l2
  @Option(
    help: ArgumentHelp(
      "Weights of the rows: a number a line, 'word number' lines, or a one-dimensional .npy.", valueName: "file"),
    completion: .file())
  var weights: String?
  @Option(help: ArgumentHelp("Type codewords are stored in.", valueName: "type"))
  var codebookType: Codebook.Storage = .float32
  @Option(parsing: .unconditional, help: ArgumentHelp("Passes over the training rows.", valueName: "n"))
  var epochs: Int?
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Rows to train on, drawn evenly; all by default.", valueName: "n"))
  var sample: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Memory to use beside the table; training rows are sampled to fit: 4GB.", valueName: "size"))
  var memory: ByteSize?
  @Option(help: "What vq and sx start from.")
  var start: CompressionOptions.Start = .kmeans
  @Option(parsing: .unconditional, help: ArgumentHelp("Seed of every random choice.", valueName: "n"))
  var seed: UInt64 = CompressionOptions().seed

  @OptionGroup var reading: ReadingArguments
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func validate() throws {
    if output == nil, !dryRun { throw ValidationError("Missing expected argument '--output <file>'") }
    let goals = [targetSize != nil, ratio != nil, bitsPerDimension != nil].count { $0 }
    if goals > 1 { throw ValidationError("Choose one of --target-size, --ratio and --bits-per-dimension") }
    if adaptive != (targetBits != nil) { throw ValidationError("--adaptive and --target-bits go together") }
    if tiers != nil, !adaptive { throw ValidationError("--tiers are chosen from with --adaptive") }
    if (method == .binary) != (bits != nil), !adaptive {
      throw ValidationError("--method binary and --bits go together")
    }
    for (name, value) in [
      ("--ratio", ratio), ("--bits-per-dimension", bitsPerDimension), ("--target-bits", targetBits),
    ] {
      if let value, !(value.isFinite && value > 0) { throw ValidationError("\(name) takes a number above 0") }
    }
    for (name, value) in [("--groups", groups), ("--bits", bits), ("--epochs", epochs), ("--sample", sample)] {
      if let value, value < 1 { throw ValidationError("\(name) takes a whole number from 1 on") }
    }
    if let codes, !(2...65_536).contains(codes) { throw ValidationError("--codes takes 2 to 65536") }
  }

  func run() throws {
    if let output, !dryRun {
      try OutputFile.check(output, replacing: force, inputs: [input, weights, reading.vocabulary].compactMap { $0 })
    }
    var bar = ProgressBar(quiet: report.quiet)
    bar.update("read", fraction: 0)
    let start = Runtime.clock
    let table = try reading.read(input, threads: threading.threads)
    let compressor = Compressor(try options(for: table))
    let readSeconds = Runtime.clock - start
    if dryRun { return try printPlan(compressor.plan(for: table)) }

    let result: Compression
    do throws(DPQError) {
      result = try compressor.compress(table) { progress in
        var details = progress.loss.map { "loss \(Format.significant($0, 4))  " } ?? ""
        details += "codes \(progress.codesInUse)/\(progress.codesTotal)"
        if progress.phase == .train { details = "epoch \(progress.epoch)/\(progress.epochs)  " + details }
        bar.update(progress.phase.rawValue, fraction: progress.fraction, details: details)
        return true
      }
    } catch {
      var error = error
      if error.context.row != nil { error.context.file = input }
      throw error
    }
    bar.update("write", fraction: 1)
    let writeStart = Runtime.clock
    let fileBytes = try result.model.write(to: output!, replacing: force)
    let seconds = [
      ("read", readSeconds), ("train", result.trainSeconds), ("encode", result.encodeSeconds),
      ("write", Runtime.clock - writeStart),
    ]
    _ = consume bar
    try report.print(
      json(result, fileBytes: fileBytes, seconds: seconds),
      text(result, source: table, fileBytes: fileBytes, seconds: seconds))
  }

  private func options(for table: EmbeddingTable) throws(DPQError) -> CompressionOptions {
    var options = CompressionOptions()
    options.method = method
    options.start = start
    if let targetSize { options.goal = .fileBytes(targetSize.bytes) }
    if let ratio { options.goal = .ratio(ratio) }
    if let bitsPerDimension { options.goal = .bitsPerDimension(bitsPerDimension) }
    options.groups = groups
    options.codes = codes
    options.bits = bits
    if let targetBits {
      let layouts = try tiers.map { (list) throws(DPQError) in
        try TierLayout.list(list, dimension: table.dimension)
      }
      options.adaptive = AdaptiveOptions(tiers: layouts ?? [], targetBits: targetBits)
    }
    options.isShared = shared
    options.metric = metric
    if let weights { options.weights = try RowWeights.read(weights, table: table) }
    options.codebookStorage = codebookType
    options.epochs = epochs
    options.sample = sample
    options.memoryBytes = memory?.bytes
    options.seed = seed
    options.threads = threading.threads
    return options
  }

  // MARK: - Reports

  private func layoutMembers(_ plan: CompressionPlan, fileBytes: Int) -> [(String, JSON)] {
    [
      ("rows", .integer(plan.rows)), ("dimension", .integer(plan.dimension)),
      ("method", .string(method.rawValue)), ("groups", .integer(plan.tiers[0].layout.groups)),
      ("codes", .integer(plan.tiers[0].layout.codes)), ("bits_per_row", .count(plan.bitsPerRow)),
      ("file_bytes", .integer(fileBytes)), ("table_bytes", .integer(plan.tableBytes)),
      ("ratio", .double(plan.ratio)), ("ratio_paper", .double(plan.paperRatio)),
      (
        "tiers",
        .array(
          plan.tiers.map { tier in
            .object(
              [("rows", .integer(tier.rows)), ("bits_per_row", .integer(tier.layout.bitsPerRow))] + tier.layout.members)
          })
      ),
    ]
  }

  private func json(_ result: Compression, fileBytes: Int, seconds: [(String, Double)]) -> JSON {
    .object(
      layoutMembers(result.model.plan, fileBytes: fileBytes) + [
        ("mse", .double(result.mse)), ("relative_error", .double(result.relativeError)),
        ("cosine_mean", .double(result.cosineMean)),
        ("weighted_relative_error", .double(result.weightedRelativeError)),
        ("seconds", .object(seconds.map { ($0.0, .double($0.1)) })),
        ("peak_rss_bytes", .integer(Runtime.peakResidentBytes)),
        ("threads", .integer(Runtime.threadCount(threading.threads))),
        ("isa", .string(Runtime.instructionSet)), ("seed", .unsigned(seed)),
      ])
  }

  private func layoutPairs(_ plan: CompressionPlan, fileBytes: Int) -> [(String, String)] {
    let vocabulary = plan.vocabularyBytes > 0 ? ", of it words \(ByteSize.text(plan.vocabularyBytes))" : ""
    return [
      (
        "table",
        "\(Format.grouped(plan.rows)) rows x \(plan.dimension), \(ByteSize.text(plan.tableBytes)) as float32"
      ),
      (
        "codes",
        "\(method.rawValue), "
          + plan.tiers.map { (adaptive ? "\(Format.grouped($0.rows)) rows of " : "") + $0.layout.text }
          .joined(separator: ", ") + ", \(Format.bits(plan.bitsPerRow)) bits a row"
          + (plan.metric == .cosine ? ", norms apart" : "")
      ),
      ("file", ByteSize.text(fileBytes) + vocabulary),
      (
        "ratio",
        "\(Format.fixed(plan.ratio, 2)) (without words; as papers count: \(Format.fixed(plan.paperRatio, 2)))"
      ),
    ]
  }

  private func text(
    _ result: Compression, source: EmbeddingTable, fileBytes: Int, seconds: [(String, Double)]
  ) -> String {
    var error =
      "\(Format.significant(result.relativeError, 4)) relative, mse \(Format.significant(result.mse, 4)), "
      + "mean cosine \(Format.fixed(result.cosineMean, 4))"
    if weights != nil { error += ", weighted \(Format.significant(result.weightedRelativeError, 4))" }
    if let start = result.startMSE {
      let gain = start > 0 ? 100 * (1 - result.mse / start) : 0
      error += ", \(Format.fixed(gain.magnitude, 2)) % \(gain < 0 ? "above" : "below") k-means"
    }
    let total = seconds.reduce(0) { $0 + $1.1 }
    return Format.pairs(
      layoutPairs(result.model.plan, fileBytes: fileBytes) + [
        ("error", error),
        (
          "time",
          Format.seconds(total) + ": " + seconds.map { "\($0.0) \(Format.fixed($0.1, 2))" }.joined(separator: ", ")
        ),
        (
          "machine",
          "\(ByteSize.text(Runtime.peakResidentBytes)) peak memory, \(Format.threads(Runtime.threadCount(threading.threads))), "
            + Runtime.instructionSet
        ),
        ("written", output!),
      ])
  }

  private func printPlan(_ plan: CompressionPlan) throws(DPQError) {
    let members =
      layoutMembers(plan, fileBytes: plan.fileBytes) + [
        ("sections", .sections(plan.sections)),
        ("seed", .unsigned(seed)),
      ]
    let parts = plan.sections.map { [$0.name, Format.grouped($0.bytes) + " bytes"] }
    try report.print(
      .object(members),
      Format.pairs(layoutPairs(plan, fileBytes: plan.fileBytes)) + "\n" + Format.table(parts)
        + "nothing written (--dry-run)\n")
  }
}
