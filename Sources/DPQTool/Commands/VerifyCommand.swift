import ArgumentParser
import DPQ
import DPQTasks

/// `dpq verify MODEL`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check the structure and the checksums of a compressed file.",
    discussion: "Exits with status 65 where something is wrong, and says what.")

  @Argument(help: "Compressed table.", completion: .file(extensions: ["dpq"]))
  var model: String
  @OptionGroup var report: ReportArguments

  func run() throws {
    let table = try CompressedTable(path: model)
    try table.verify()
    try report.print(
      .object([
        ("valid", .bool(true)), ("rows", .integer(table.rows)), ("dimension", .integer(table.dimension)),
        ("file_bytes", .integer(table.fileBytes)),
      ]),
      "\(model): intact, \(Format.grouped(table.rows)) rows x \(table.dimension), \(ByteSize.text(table.fileBytes))\n")
  }
}
