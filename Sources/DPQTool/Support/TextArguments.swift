import ArgumentParser
import DPQTasks

/// How files of labelled texts are laid out, and which of their words get a row.
struct TextArguments: ParsableArguments {
  /// Layouts with a name.
  enum Preset: String, CaseIterable, ExpressibleByArgument {
    case auto
    case tsv
    case agNews = "ag-news"
    case imdb
    case sst
  }

  @Option(
    help: ArgumentHelp(
      "Layout of the files: label<TAB>text, AG News CSV, IMDB's label<TAB>rating<TAB>text, SST's 'label text'; auto "
        + "tells each by its first line."))
  var format: Preset = .auto
  @Option(help: ArgumentHelp("Field, counted from 1, that holds the label.", valueName: "n"))
  var labelColumn: Int?
  @Option(help: ArgumentHelp("Field, counted from 1, that holds the text; several: 2,3.", valueName: "n"))
  var textColumn: String?
  @Option(help: ArgumentHelp("What stands between fields: tab, comma, space, or a character.", valueName: "x"))
  var separator: String?
  @Flag(help: "The first line names the fields.")
  var header = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Rows of the table at most, padding and unknown words included.", valueName: "n"))
  var vocabularySize: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Words seen less often in training are unknown.", valueName: "n"))
  var minCount = 2

  func validate() throws {
    if let labelColumn, labelColumn < 1 { throw ValidationError("--label-column takes a whole number from 1 on") }
    if textColumn != nil, textColumns == nil {
      throw ValidationError("--text-column takes numbers from 1 on: 2 or 2,3")
    }
    if separator != nil, separatorByte == nil {
      throw ValidationError("--separator takes tab, comma, space or one ASCII character")
    }
    if let vocabularySize, vocabularySize < 3 {
      throw ValidationError("--vocabulary-size takes a whole number from 3 on")
    }
    if minCount < 1 { throw ValidationError("--min-count takes a whole number from 1 on") }
  }

  private var textColumns: [Int]? {
    let columns = textColumn?.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) } ?? []
    guard !columns.isEmpty, columns.allSatisfy({ $0.map { $0 >= 1 } ?? false }) else { return nil }
    return columns.map { $0! }
  }

  private var separatorByte: UInt8? {
    switch separator {
    case "tab", "\\t": UInt8(ascii: "\t")
    case "comma": UInt8(ascii: ",")
    case "space": UInt8(ascii: " ")
    case let text?: text.utf8.count == 1 && text.utf8.first! < 0x80 && text != "\n" ? text.utf8.first! : nil
    case nil: nil
    }
  }

  /// The layout asked for; `nil` where each file tells it.
  var textFormat: TextFormat? {
    let isPlain = labelColumn == nil && textColumn == nil && separator == nil && !header
    var result: TextFormat
    switch format {
    case .auto where isPlain: return nil
    case .auto, .tsv: result = .tabbed
    case .agNews: result = .agNews
    case .imdb: result = .imdb
    case .sst: result = .sst
    }
    if let separatorByte {
      result.separator = separatorByte
      result.isQuoted = separatorByte == UInt8(ascii: ",")
    }
    if let labelColumn { result.labelColumn = labelColumn }
    if let textColumns { result.textColumns = textColumns }
    if header { result.hasHeader = true }
    return result
  }
}
