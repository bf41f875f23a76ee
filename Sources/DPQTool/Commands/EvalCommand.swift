import ArgumentParser
import DPQ
import DPQTasks

/// `dpq eval MODEL --against IN`.
struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure how far a compressed table is from the original.",
    discussion: """
      relative_error is |X - Y|^2 / |X|^2 over the whole table; recall_at_10 the share of a row's ten nearest (cosine, \
      exact) that stay among its ten nearest, over sampled rows.
      """)

  @Argument(help: "Compressed table, or a plain one.", completion: .file())
  var model: String
  @Option(help: ArgumentHelp("Original table.", valueName: "table"), completion: .file())
  var against: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Exit with status 2 where the relative error is larger.", valueName: "x"))
  var maxRelativeError: Double?
  @Option(parsing: .unconditional, help: ArgumentHelp("Rows sampled for recall_at_10.", valueName: "n"))
  var samples = 1000
  @Option(parsing: .unconditional, help: ArgumentHelp("Seed of the sample.", valueName: "n"))
  var seed: UInt64 = CompressionOptions().seed

  @OptionGroup var reading: ReadingArguments
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func validate() throws {
    if samples < 1 { throw ValidationError("--samples takes a whole number from 1 on") }
    if let maxRelativeError, !(maxRelativeError >= 0) {
      throw ValidationError("--max-relative-error takes a number from 0 on")
    }
  }

  func run() throws {
    let original = try reading.read(against, threads: threading.threads)
    // The reading options speak of plain tables, whichever of the two they are.
    let table: AnyTable =
      CompressedFile.isCompressed(model)
      ? .compressed(try CompressedTable(path: model)) : .plain(try reading.read(model, threads: threading.threads))
    let result: Evaluation
    switch table {
    case .compressed(let table):
      result = try Evaluation.measure(
        table, against: original, samples: samples, seed: seed, threads: threading.threads)
    case .plain(let table):
      result = try Evaluation.measure(
        table, against: original, samples: samples, seed: seed, threads: threading.threads)
    }
    let words = result.worstRows.map { original.vocabulary?[$0.id] ?? table.word($0.id) }
    try report.print(json(result, words: words), text(result, words: words))
    if let limit = maxRelativeError, !(result.relativeError <= limit) {
      throw GateMissed(
        message: "the relative error is \(Format.significant(result.relativeError, 6)), allowed are \(limit)")
    }
  }

  private func json(_ result: Evaluation, words: [String?]) -> JSON {
    .object([
      ("mse", .double(result.mse)), ("relative_error", .double(result.relativeError)),
      ("cosine_mean", .double(result.cosineMean)), ("cosine_p1", .double(result.cosineP1)),
      ("recall_at_10", .double(result.recallAt10)),
      (
        "worst_rows",
        .array(
          zip(result.worstRows, words).map { row, word in
            .object([
              ("id", .integer(row.id)), ("word", word.map(JSON.string) ?? .null),
              ("relative_error", .double(row.relativeError)),
            ])
          })
      ),
    ])
  }

  private func text(_ result: Evaluation, words: [String?]) -> String {
    Format.pairs([
      ("mse", Format.significant(result.mse, 5)),
      ("relative error", Format.significant(result.relativeError, 5)),
      ("cosine, mean", Format.fixed(result.cosineMean, 5)),
      ("cosine, worst 1 %", Format.fixed(result.cosineP1, 5)),
      ("recall at 10", Format.fixed(result.recallAt10, 4)),
    ])
      + "worst rows by relative error\n"
      + Format.table(
        zip(result.worstRows, words).map { row, word in
          ["  " + (word.map(Format.printable) ?? String(row.id)), Format.fixed(row.relativeError, 4)]
        })
  }
}
