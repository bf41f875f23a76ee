import ArgumentParser
import DPQ
import DPQTasks

/// `dpq inspect MODEL`.
struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what is in a file: bytes by part, code use per group, tiers, recipe.")

  @Argument(help: "Compressed or plain table.", completion: .file())
  var model: String
  @OptionGroup var reading: ReadingArguments
  @Flag(help: "Print it as JSON.")
  var json = false
  @Option(
    help: ArgumentHelp("Folder for pictures of the use of codes, as SVG; files in it are replaced.", valueName: "dir"),
    completion: .directory)
  var plots: String?

  func run() throws {
    var output = StandardOutput()
    switch try reading.open(model) {
    case .compressed(let table):
      let counts = try table.codeUse()
      let use = counts.map(CodeUse.init)
      if let plots { try Self.draw(counts, use, to: plots) }
      try output.write(json ? Self.json(table, use).text + "\n" : Self.text(table, use))
    case .plain(let table):
      guard plots == nil else {
        throw DPQError(.invalidArgument, "a table that is not compressed has no codes to draw", .init(file: model))
      }
      try output.write(json ? Self.json(table).text + "\n" : Self.text(table))
    }
    try output.flush()
  }

  private static func draw(_ counts: [[Int]], _ use: [CodeUse], to folder: String) throws(DPQError) {
    try OutputFolder.create(folder)
    try TextFile.write(CodeUse.heatMap(counts).svg, to: folder + "/code-use.svg", replacing: true)
    try TextFile.write(CodeUse.evenness(use).svg, to: folder + "/code-perplexity.svg", replacing: true)
  }

  // MARK: - Compressed tables

  private static func vocabularyBytes(_ table: borrowing CompressedTable) -> Int {
    table.sections.reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 + $1.bytes : $0 }
  }

  private static func ratio(_ table: borrowing CompressedTable) -> Double {
    Double(4 * table.rows * table.dimension) / Double(table.fileBytes - vocabularyBytes(table))
  }

  private static func bitsPerRow(_ table: borrowing CompressedTable) -> Int {
    table.layout.bitsPerRow + (table.metric == .cosine ? 8 : 0)
  }

  private static func json(_ table: borrowing CompressedTable, _ use: [CodeUse]) -> JSON {
    let layout = table.layout
    return .object([
      ("rows", .integer(table.rows)), ("dimension", .integer(table.dimension)),
      ("metric", .string(table.metric.rawValue)), ("assignment", .string(table.assignment.rawValue)),
      (
        "tiers",
        .array([
          .object([
            ("kind", .string("concat")), ("rows", .integer(table.rows)), ("groups", .integer(layout.groups)),
            ("codes", .integer(layout.codes)), ("bits", .integer(layout.bits)), ("width", .integer(layout.width)),
            ("shared", .bool(layout.isShared)),
          ])
        ])
      ),
      ("codebook_type", .string(table.codebookStorage.rawValue)), ("vocabulary", .bool(table.hasVocabulary)),
      ("bits_per_row", .integer(bitsPerRow(table))), ("file_bytes", .integer(table.fileBytes)),
      ("table_bytes", .integer(4 * table.rows * table.dimension)), ("ratio", .double(ratio(table))),
      ("ratio_paper", .double(layout.paperRatio(rows: table.rows))),
      ("sections", .sections(table.sections)),
      (
        "code_use",
        .array(
          use.enumerated().map { group, use in
            .object([
              ("group", .integer(group)), ("used", .integer(use.used)), ("perplexity", .double(use.perplexity)),
            ])
          })
      ),
      ("recipe", .string(table.recipe)),
    ])
  }

  private static func text(_ table: borrowing CompressedTable, _ use: [CodeUse]) -> String {
    let layout = table.layout
    let fileBytes = table.fileBytes
    let head = Format.pairs([
      ("table", "\(Format.grouped(table.rows)) rows x \(table.dimension)\(table.hasVocabulary ? ", with words" : "")"),
      ("metric", "\(table.metric.rawValue), codes by \(table.assignment.rawValue)"),
      (
        "tiers",
        "1: \(layout.groups) groups of \(layout.width) values x \(layout.codes) codes"
          + (layout.isShared ? ", one shared codebook" : "") + ", \(table.codebookStorage.rawValue) codewords, "
          + "\(bitsPerRow(table)) bits a row"
      ),
      (
        "ratio",
        "\(Format.fixed(ratio(table), 2)) (without words; as papers count: "
          + "\(Format.fixed(layout.paperRatio(rows: table.rows), 2)))"
      ),
      ("recipe", Format.printable(table.recipe)),
    ])
    let parts = table.sections.map {
      ["  " + $0.name, Format.grouped($0.bytes), Format.percent($0.bytes, of: fileBytes)]
    }
    return head + "\nbytes by part\n"
      + Format.table(parts + [["  whole file", Format.grouped(fileBytes), "100.0 %"]])
      + "\ncode use by group, of \(layout.codes)\n"
      + Format.table(
        [["  group", "used", "perplexity"]]
          + use.enumerated().map { group, use in
            ["  \(group)", String(use.used), Format.fixed(use.perplexity, 1)]
          })
  }

  // MARK: - Plain tables

  private static func json(_ table: EmbeddingTable) -> JSON {
    .object([
      ("rows", .integer(table.rows)), ("dimension", .integer(table.dimension)),
      ("type", .string(table.elementType.rawValue)), ("vocabulary", .bool(table.vocabulary != nil)),
      ("source_bytes", .integer(table.sourceBytes)), ("table_bytes", .integer(table.tableBytes)),
    ])
  }

  private static func text(_ table: EmbeddingTable) -> String {
    Format.pairs([
      (
        "table",
        "\(Format.grouped(table.rows)) rows x \(table.dimension)\(table.vocabulary != nil ? ", with words" : "")"
      ),
      ("type", table.elementType.rawValue),
      ("source", ByteSize.text(table.sourceBytes)),
      ("as float32", ByteSize.text(table.tableBytes)),
    ])
  }
}
