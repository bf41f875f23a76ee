import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// Reading labelled texts.
@Suite struct ClassificationDataTests {
  private func words(_ text: [UInt8]) -> [String] {
    var tokenizer = Tokenizer()
    var position = 0
    var result: [String] = []
    while tokenizer.next(text.span, &position) { result.append(String(decoding: tokenizer.word, as: UTF8.self)) }
    return result
  }

  @Test(arguments: [
    ("Don't stop, NOW!", ["don't", "stop", "now"]),
    ("'quoted' o''neil it's'", ["quoted", "o", "neil", "it's"]),
    ("n't 's #36;1.88M", ["n't", "s", "36", "1", "88m"]),
    ("Été\u{00A0}ÀÉ\u{2014}straße l'Île", ["été", "àé", "straße", "l'île"]),
    ("日本語、テスト 😀x", ["日本語", "テスト", "x"]),
    ("", []), (" \t\r\n.,;", []), ("a", ["a"]), ("a'", ["a"]), ("e\u{301}", ["e\u{301}"]),
  ])
  func textIsCutIntoLowerCasedWords(_ text: String, _ expected: [String]) {
    #expect(words(Array(text.utf8)).map { Array($0.utf8) } == expected.map { Array($0.utf8) })
  }

  @Test func bytesThatAreNotUTF8SeparateWords() {
    #expect(words([0x61, 0xFF, 0x62]) == ["a", "b"])
    #expect(words([0x61, 0xC3]) == ["a"])
    #expect(words([0xC0, 0x80, 0x62, 0xED, 0xA0, 0x80, 0x63, 0xF4, 0x90, 0x80, 0x80]) == ["b", "c"])
    #expect(words([0x61, 0x27, 0xE3]) == ["a"])
  }

  @Test func wordTablesGrowAndKeepTheirNumbers() {
    var table = WordTable()
    for i in 0..<5000 { #expect(table.insert(Array("word\(i % 4000)".utf8)) == Int32(i % 4000)) }
    #expect(table.count == 4000)
    #expect(table.id(of: Array("word3999".utf8)) == 3999)
    #expect(table.id(of: Array("word4000".utf8)) == nil)
    #expect(table.insert([]) == 4000 && table.id(of: []) == 4000)
  }

  @Test func formatsAreToldByTheFirstLine() {
    func detect(_ line: String) -> TextFormat { TextFormat.detect(Array(line.utf8).span) }
    #expect(detect("\"3\",\"title\",\"text\"") == .agNews)
    #expect(detect("0\t2\tOnce again") == .imdb)
    #expect(detect("2\tEngland . The last\ttime") == .tabbed)
    #expect(detect("0 one long string") == .sst)
    #expect(detect("1\t\ttext") == .tabbed)
  }

  @Test(arguments: ["tabbed", "sst", "imdb", "agNews"])
  func everyFormatGivesTheSameTexts(_ format: String) throws {
    let folder = try TemporaryFolder()
    let rows = [
      ("b", "Good good day"), ("a", "bad, bad day"), ("b", "Good 'un"), ("a", "bad \"x\""), ("b", ""), ("a", "bad x"),
    ]
    func file(_ rows: [(String, String)]) -> String {
      rows.map { label, text in
        switch format {
        case "tabbed": "\(label)\t\(text)\n"
        case "sst": "\(label) \(text)\n"
        case "imdb": "\(label)\t7\t\(text)\n"
        default:
          "\"\(label)\",\"\(text.prefix(4).replacingOccurrences(of: "\"", with: "\"\""))\",\""
            + "\(text.dropFirst(4).replacingOccurrences(of: "\"", with: "\"\""))\"\n"
        }
      }.joined()
    }
    var options = ClassificationData.Options()
    options.train = try folder.write("train", file(rows))
    options.dev = try folder.write("dev", file([("a", "day bad never")]))
    options.test = try folder.write("test", file([("b", "Good Good"), ("a", "none known")]))
    let data = try ClassificationData(options)
    #expect(data.classes == ["a", "b"])
    let expected = ["<pad>", "<unk>", "bad", "good", "day", "x"]
    #expect((0..<data.vocabulary.count).map { data.vocabulary[$0] } == expected)
    #expect(data.train.labels == [1, 0, 1, 0, 1, 0])
    #expect(Array(data.train.words[data.train.range(0)]) == [3, 3, 4])
    #expect(Array(data.train.words[data.train.range(2)]) == [3, 1])
    #expect(data.train.range(4).isEmpty)
    #expect(Array(data.dev.words) == [4, 2, 1])
    #expect(Array(data.test.words) == [3, 3, 1, 1])
    #expect(data.test.labels == [1, 0])
    options.vocabularySize = 4
    let small = try ClassificationData(options)
    #expect(small.vocabulary.count == 4 && small.vocabulary[3] == "good")
    #expect(Array(small.dev.words) == [1, 2, 1])
  }

  @Test func columnsSeparatorAndHeaderCanBeGiven() throws {
    let folder = try TemporaryFolder()
    var options = ClassificationData.Options()
    options.train = try folder.write("train", "sentence;label\nx x;1\ny y;0\r\nx y;1\n\nz z;0\n")
    options.test = try folder.write("test", "sentence;label\nx;0\n")
    options.dev = options.test
    var format = TextFormat(separator: UInt8(ascii: ";"))
    format.textColumns = [1]
    format.labelColumn = 2
    format.hasHeader = true
    options.format = format
    let data = try ClassificationData(options)
    #expect(data.classes == ["0", "1"])
    #expect(data.train.labels == [1, 0, 1, 0])
    #expect(data.vocabulary[2] == "x")
  }

  @Test func quotedFieldsHoldQuotesSeparatorsAndLines() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("f.csv", "\"1\",\"a \"\"b\"\", c\",\"d\ne\"\n2,f,g\n")
    var records = try LabelledRecords(path, format: nil)
    #expect(try records.next())
    #expect(records.text == Array("a \"b\", c d\ne".utf8) && records.label == [0x31])
    #expect(try records.next())
    #expect(records.text == Array("f g".utf8) && records.label == [0x32] && records.line == 3)
    #expect(try !records.next())
  }

  @Test(arguments: [
    ("1\ta\n2 b\n", 2, "has 1 of 2 fields"), ("1\ta\n\tb\n", 2, "has no label"),
    ("\"1\",\"a\",\"b\"\n\"2\",\"a\n\n", 2, "does not end"),
    ("\"1\",\"a\",\"b\"\n\"2\",\"a\"x,\"b\"\n", 2, "more than a sep"),
    ("1\ta a\n1\tb\n", nil, "has 1 classes"), ("1\ta\n2\tb\n3\tc\n4\td\n", nil, "no word"),
  ])
  func brokenFilesNameTheirLine(_ text: String, _ line: Int?, _ message: String) throws {
    let folder = try TemporaryFolder()
    var options = ClassificationData.Options()
    options.train = try folder.write("train", text)
    options.test = options.train
    let error = #expect(throws: DPQError.self) { try ClassificationData(options) }
    #expect(error?.code == .malformedInput && error?.context.line == line)
    #expect(error?.context.file == options.train)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test func labelsUnknownToTrainingNameTheirLine() throws {
    let folder = try TemporaryFolder()
    var options = ClassificationData.Options()
    options.train = try folder.write("train", "1\ta a\n2\tb b\n1\ta\n2\tb\n")
    options.test = try folder.write("test", "1\ta\n3\tb\n")
    let error = #expect(throws: DPQError.self) { try ClassificationData(options) }
    #expect(error?.context == .init(file: options.test, line: 2))
    options.test = folder.path + "/missing"
    #expect(throws: DPQError.self) { try ClassificationData(options) }
  }

  @Test func theSplitIsSeededAndKeepsEveryText() throws {
    let folder = try TemporaryFolder()
    let rows = (0..<100).map { "\($0 % 2)\tw\($0) w\($0) common\n" }.joined()
    var options = ClassificationData.Options()
    options.train = try folder.write("train", rows)
    options.test = options.train
    options.minimumCount = 1
    let data = try ClassificationData(options)
    let again = try ClassificationData(options)
    #expect(data.train == again.train && data.dev == again.dev)
    #expect(data.train.count == 90 && data.dev.count == 10)
    // Words of texts set apart are unknown.
    #expect(data.vocabulary.count == 2 + 91)
    #expect(data.dev.words.allSatisfy { $0 == 1 || $0 == 2 })
    options.seed = 2
    #expect(try ClassificationData(options).train != data.train)
  }
}
