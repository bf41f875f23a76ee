import ArgumentParser
import DPQ
import DPQTasks

/// `dpq neighbors MODEL WORD`.
struct NeighborsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "neighbors",
    abstract: "Print the rows nearest to a word's, best first.",
    discussion: """
      A compressed table is searched through its codes, without being decompressed. The score is the cosine, the dot \
      product, or the squared distance.
      """)

  @Argument(help: "Compressed or plain table.", completion: .file())
  var model: String
  @Argument(help: "Word to start from.")
  var word: String?
  @Option(parsing: .unconditional, help: ArgumentHelp("Row to start from, instead of a word.", valueName: "row"))
  var id: Int?
  @Option(
    name: [.customShort("k"), .customLong("count")], parsing: .unconditional,
    help: ArgumentHelp("How many to print.", valueName: "n"))
  var count = 10
  @Option(help: "How rows are compared.")
  var metric: Similarity = .cosine

  @OptionGroup var reading: ReadingArguments
  @OptionGroup var threading: ThreadArguments
  @Flag(help: "Print them as JSON: [{\"id\", \"word\", \"score\"}].")
  var json = false

  func validate() throws {
    if (word == nil) == (id == nil) { throw ValidationError("Name one word, or one row with --id") }
    if count < 1 { throw ValidationError("-k takes a whole number from 1 on") }
  }

  func run() throws {
    let table = try reading.open(model, threads: threading.threads)
    let query = try table.resolve(words: word.map { [$0] } ?? [], ids: id.map { [$0] } ?? [], path: model)[0]
    let found = try table.neighbors(
      of: table.row(query), count: min(count, table.rows), similarity: metric, excluding: query,
      threads: threading.threads)
    var output = StandardOutput()
    if json {
      let objects = found.map { neighbor in
        JSON.object([
          ("id", .integer(neighbor.id)), ("word", table.word(neighbor.id).map(JSON.string) ?? .null),
          ("score", .float(neighbor.score)),
        ])
      }
      try output.line(JSON.array(objects).text)
    } else {
      let lines = found.map { neighbor in
        [table.word(neighbor.id).map(Format.printable) ?? String(neighbor.id), Format.fixed(Double(neighbor.score), 4)]
      }
      try output.write(Format.table(lines))
    }
    try output.flush()
  }
}
