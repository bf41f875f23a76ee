import DPQ

/// How a file of labelled texts is laid out: one record a line, fields between separators.
public struct TextFormat: Sendable, Equatable {
  /// The byte between fields.
  public var separator: UInt8
  /// Whether a field may stand in double quotes, as in CSV: it may then hold separators and line ends, and `""` for a
  /// quote.
  public var isQuoted = false
  /// The field, counted from 1, that names the class.
  public var labelColumn = 1
  /// The fields, counted from 1, that make the text, joined with a blank in the order of the file.
  public var textColumns = [2]
  /// Whether the last field that is asked for goes to the end of the line, separators and all, if it is text and not
  /// quoted.
  public var textRunsOn = true
  /// Whether the first line names the fields and is passed over.
  public var hasHeader = false

  /// A format with the label first and the text behind it.
  public init(separator: UInt8) { self.separator = separator }

  /// `label<TAB>text`.
  public static let tabbed = TextFormat(separator: UInt8(ascii: "\t"))
  /// The Stanford Sentiment Treebank as Kim 2014 prepared it: `label text`.
  public static let sst = TextFormat(separator: UInt8(ascii: " "))
  /// IMDB reviews: `label<TAB>rating<TAB>text`.
  public static let imdb: TextFormat = {
    var format = tabbed
    format.textColumns = [3]
    return format
  }()
  /// AG News: `"class","title","description"`.
  public static let agNews: TextFormat = {
    var format = TextFormat(separator: UInt8(ascii: ","))
    format.isQuoted = true
    format.textColumns = [2, 3]
    return format
  }()

  /// Pairs of sentences: `label<TAB>premise<TAB>hypothesis`.
  public static let snli: TextFormat = {
    var format = tabbed
    (format.textColumns, format.textRunsOn) = ([2, 3], false)
    return format
  }()
  /// Pairs of SICK: fields 2 and 3 are the sentences, 5 the judgment, under a header.
  public static let sick: TextFormat = {
    var format = snli
    (format.labelColumn, format.textColumns, format.hasHeader) = (5, [2, 3], true)
    return format
  }()

  /// The format of pairs that the first line of a file tells: by the names in its header, those of SICK or of SNLI as it
  /// was published, else ``snli``.
  static func detectPairs(_ line: Span<UInt8>) -> TextFormat {
    let text = line.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    let names = text.split(separator: "\t", omittingEmptySubsequences: false)
    func column(_ candidates: Substring...) -> Int? {
      candidates.lazy.compactMap { names.firstIndex(of: $0) }.first.map { $0 + 1 }
    }
    guard let first = column("sentence_A", "sentence1"), let second = column("sentence_B", "sentence2"),
      let label = column("entailment_judgment", "entailment_label", "gold_label", "label")
    else { return .snli }
    var format = sick
    (format.labelColumn, format.textColumns) = (label, [first, second])
    return format
  }

  /// The preset that the first line of a file looks like.
  ///
  /// A line that starts with a quote is AG News; one with two tabs and a whole number between them IMDB; one with a tab
  /// `label<TAB>text`; any other `label text`.
  static func detect(_ line: Span<UInt8>) -> TextFormat {
    if line.count > 0, line[0] == UInt8(ascii: "\"") { return .agNews }
    var tabs: [Int] = []
    for i in 0..<line.count where line[i] == UInt8(ascii: "\t") && tabs.count < 2 { tabs.append(i) }
    guard let first = tabs.first else { return .sst }
    guard tabs.count == 2, tabs[1] > first + 1 else { return .tabbed }
    for i in (first + 1)..<tabs[1] where !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(line[i]) { return .tabbed }
    return .imdb
  }

  /// Number of the last field that is needed.
  var lastColumn: Int { max(labelColumn, textColumns.max() ?? labelColumn) }
}
