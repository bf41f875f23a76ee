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
      var counts: [[[Int]]] = []
      for tier in table.tiers.indices { counts.append(try table.codeUse(tier: tier)) }
      let use = counts.map { $0.map(CodeUse.init) }
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

  /// The pictures of each tier; the tier stands in the name where there are several.
  private static func draw(_ counts: [[[Int]]], _ use: [[CodeUse]], to folder: String) throws(DPQError) {
    try OutputFolder.create(folder)
    for tier in counts.indices {
      let name = counts.count > 1 ? "-tier-\(tier)" : ""
      try TextFile.write(CodeUse.heatMap(counts[tier]).svg, to: folder + "/code-use\(name).svg", replacing: true)
      try TextFile.write(CodeUse.evenness(use[tier]).svg, to: folder + "/code-perplexity\(name).svg", replacing: true)
    }
  }

  // MARK: - Compressed tables

  private static func vocabularyBytes(_ table: borrowing CompressedTable) -> Int {
    table.sections.reduce(0) { $1.name.hasPrefix("vocabulary.") ? $0 + $1.bytes : $0 }
  }

  private static func ratio(_ table: borrowing CompressedTable) -> Double {
    Double(4 * table.rows * table.dimension) / Double(table.fileBytes - vocabularyBytes(table))
  }

  private static func json(_ table: borrowing CompressedTable, _ use: [[CodeUse]]) -> JSON {
    .object([
      ("rows", .integer(table.rows)), ("dimension", .integer(table.dimension)),
      ("metric", .string(table.metric.rawValue)), ("assignment", .string(table.assignment.rawValue)),
      (
        "tiers",
        .array(
          table.tiers.map { tier in
            .object(
              [("rows", .integer(tier.rows)), ("bits_per_row", .integer(tier.layout.bitsPerRow))] + tier.layout.members)
          })
      ),
      ("codebook_type", .string(table.tiers[0].storage.rawValue)), ("vocabulary", .bool(table.hasVocabulary)),
      ("bits_per_row", .count(table.bitsPerRow)), ("file_bytes", .integer(table.fileBytes)),
      ("table_bytes", .integer(4 * table.rows * table.dimension)), ("ratio", .double(ratio(table))),
      ("ratio_paper", .double(table.paperRatio)),
      ("sections", .sections(table.sections)),
      (
        "code_use",
        .array(
          use.enumerated().flatMap { tier, groups in
            groups.enumerated().map { group, use in
              .object([
                ("tier", .integer(tier)), ("group", .integer(group)), ("used", .integer(use.used)),
                ("perplexity", .double(use.perplexity)),
              ])
            }
          })
      ),
      ("recipe", .string(table.recipe)),
    ])
  }

  private static func text(_ table: borrowing CompressedTable, _ use: [[CodeUse]]) -> String {
    let fileBytes = table.fileBytes
    let rows = table.rows
    var pairs = [
      ("table", "\(Format.grouped(rows)) rows x \(table.dimension)\(table.hasVocabulary ? ", with words" : "")"),
      ("metric", "\(table.metric.rawValue), codes by \(table.assignment.rawValue)"),
    ]
    for (index, tier) in table.tiers.enumerated() {
      let place = table.tiers.count > 1 ? "\(index): \(Format.grouped(tier.rows)) rows, " : "1: "
      pairs.append((index == 0 ? "tiers" : "", place + tier.layout.text + ", \(tier.storage.rawValue) stored"))
    }
    pairs += [
      ("bits a row", Format.bits(table.bitsPerRow)),
      (
        "ratio",
        "\(Format.fixed(ratio(table), 2)) (without words; as papers count: \(Format.fixed(table.paperRatio, 2)))"
      ),
      ("recipe", Format.printable(table.recipe)),
    ]
    let parts = table.sections.map {
      ["  " + $0.name, Format.grouped($0.bytes), Format.percent($0.bytes, of: fileBytes)]
    }
    var text =
      Format.pairs(pairs) + "\nbytes by part\n"
      + Format.table(parts + [["  whole file", Format.grouped(fileBytes), "100.0 %"]])
    for (index, tier) in table.tiers.enumerated() {
      let name = table.tiers.count > 1 ? " of tier \(index)" : ""
      let isBinary = tier.layout.concat == nil
      text +=
        "\ncode use\(name) by \(isBinary ? "bit" : "group"), of \(tier.layout.codes)\n"
        + Format.table(
          [[isBinary ? "  bit" : "  group", "used", "perplexity"]]
            + use[index].enumerated().map { group, use in
              ["  \(group)", String(use.used), Format.fixed(use.perplexity, isBinary ? 3 : 1)]
            })
    }
    return text
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
