import ArgumentParser
import DPQ
import DPQTasks

/// `dpq get MODEL WORD…`.
struct GetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Print rows: word, then values, a row a line.",
    discussion: "Rows of words come first, then those of --ids. Where one word is unknown nothing is printed.")

  @Argument(help: "Compressed or plain table.", completion: .file())
  var model: String
  @Argument(help: "Words to look up.")
  var words: [String] = []
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Row numbers, from 0, with commas between.", valueName: "3,14"),
    transform: RowList.init)
  var ids = RowList()

  @OptionGroup var reading: ReadingArguments
  @Flag(help: "Print the rows as JSON: [{\"id\", \"word\", \"values\"}].")
  var json = false

  func validate() throws {
    if words.isEmpty, ids.values.isEmpty { throw ValidationError("Name words, or rows with --ids") }
  }

  func run() throws {
    let table = try reading.open(model)
    let rows = try table.resolve(words: words, ids: ids.values, path: model)
    var output = StandardOutput()
    if json { try output.write("[") }
    for (index, id) in rows.enumerated() {
      let values = try table.row(id)
      let word = table.word(id)
      if json {
        let object = JSON.object([
          ("id", .integer(id)), ("word", word.map(JSON.string) ?? .null), ("values", .array(values.map(JSON.float))),
        ])
        try output.write((index > 0 ? ",\n " : "") + object.text)
      } else {
        try output.line((word.map(Format.printable) ?? String(id)) + values.map { " " + $0.description }.joined())
      }
    }
    if json { try output.line("]") }
    try output.flush()
  }
}

/// Row numbers as written on the command line: `3,14`.
struct RowList {
  var values: [Int] = []

  init() {}

  init(_ text: String) throws {
    values = try text.split(separator: ",", omittingEmptySubsequences: false).map {
      guard let id = Int($0), id >= 0 else {
        throw ValidationError("'\($0)' is not a row number: give them as 3,14")
      }
      return id
    }
  }
}
