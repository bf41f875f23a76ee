import ArgumentParser
import DPQ
import DPQTasks

/// `dpq encode IN --with MODEL -o OUT`.
struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode",
    abstract: "Code new rows with the codebooks of an existing model.",
    discussion: """
      The result holds the rows of IN alone, or with --append those of the model and then those of IN. \
      --shard 2/4 takes the second of four equal parts of IN.
      """)

  /// A part of the rows: number `index` of `count`, counted from 1.
  struct Shard: ExpressibleByArgument {
    let index: Int
    let count: Int

    init?(argument: String) {
      let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
      guard parts.count == 2, let index = parts[0], let count = parts[1], index >= 1, index <= count else { return nil }
      self.index = index
      self.count = count
    }

    /// The rows of a table of `rows` that belong to this part; the parts together are the table.
    func range(of rows: Int) -> Range<Int> {
      func cut(_ part: Int) -> Int { part * (rows / count) + min(part, rows % count) }
      return cut(index - 1)..<cut(index)
    }
  }

  @Argument(help: "Table to code; - for standard input.", completion: .file())
  var input: String
  @Option(
    name: .customLong("with"), help: ArgumentHelp("Compressed table whose codebooks are used.", valueName: "model"),
    completion: .file(extensions: ["dpq"]))
  var model: String
  @Option(help: ArgumentHelp("Code only part i of N of the rows (1/N to N/N).", valueName: "i/N"))
  var shard: Shard?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tier that the new rows go to, counted from 0; the shortest codes by default.", valueName: "n"))
  var tier = 0
  @Flag(help: "Put the new rows behind those of the model.")
  var append = false

  @OptionGroup var writing: OutputArguments
  @OptionGroup var reading: ReadingArguments
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func run() throws {
    try writing.check(inputs: [input, model])
    var bar = ProgressBar(quiet: report.quiet)
    bar.update("read", fraction: 0)
    let start = Runtime.clock
    let table = try reading.read(input, threads: threading.threads)
    let existing = try CompressedTable(path: model)
    let readSeconds = Runtime.clock - start

    let range = shard?.range(of: table.rows) ?? 0..<table.rows
    var result = try Encoder(existing, tier: tier).encode(table, range: range, threads: threading.threads) { fraction in
      bar.update("encode", fraction: fraction)
      return true
    }
    if append { result = try result.appended(to: existing) }
    let encodeSeconds = Runtime.clock - start - readSeconds
    let fileBytes = try result.write(to: writing.output, replacing: writing.force)
    let seconds = [
      ("read", readSeconds), ("encode", encodeSeconds), ("write", Runtime.clock - start - readSeconds - encodeSeconds),
    ]
    _ = consume bar
    try report.print(
      .object([
        ("rows", .integer(result.rows)), ("encoded_rows", .integer(range.count)),
        ("dimension", .integer(result.dimension)), ("file_bytes", .integer(fileBytes)),
        ("seconds", .object(seconds.map { ($0.0, .double($0.1)) })),
        ("peak_rss_bytes", .integer(Runtime.peakResidentBytes)),
        ("threads", .integer(Runtime.threadCount(threading.threads))), ("isa", .string(Runtime.instructionSet)),
      ]),
      "\(writing.output): \(Format.grouped(result.rows)) rows x \(result.dimension), "
        + "\(Format.grouped(range.count)) of them new, \(ByteSize.text(fileBytes)), "
        + "\(Format.seconds(Runtime.clock - start))\n")
  }
}
