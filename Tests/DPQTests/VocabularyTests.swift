import Foundation
import Testing

@testable import DPQ

@Suite("Vocabularies and weights")
struct VocabularyTests {
  private func words(_ name: String, rows: Int?) throws -> [String] {
    let vocabulary = try Vocabulary.read(name.hasPrefix("/") ? name : Fixture.path(name), rows: rows)
    return (0..<vocabulary.count).map { vocabulary[$0] }
  }

  @Test("Every word is found, strange ones are not; order is that of the bytes")
  func find() {
    var generator = SeededGenerator(seed: 3)
    // Long common beginnings, prefixes of one another, zeros and bytes beyond ASCII.
    var words = Set(["", "a", "a\u{0}", "aaaaaaaa", "aaaaaaaab", "aaaaaaaaa", "é", "日本語", "aaaaaaaa\u{0}"])
    while words.count < 500 {
      let length = Int.random(in: 0...12, using: &generator)
      words.insert(String((0..<length).map { _ in "abé".randomElement(using: &generator)! }))
    }
    let list = words.shuffled(using: &generator)
    let vocabulary = Vocabulary(list)
    for (id, word) in list.enumerated() {
      #expect(vocabulary.id(of: word) == id)
      #expect(vocabulary[id] == word)
    }
    #expect(vocabulary.id(of: "zebra") == nil)
    #expect(vocabulary.id(of: "aaaaaaaabc") == nil)
    #expect(vocabulary.firstDuplicate() == nil)
    let expected = list.indices.sorted { Array(list[$0].utf8).lexicographicallyPrecedes(Array(list[$1].utf8)) }
    #expect(vocabulary.order.map { Int($0) } == expected)
    #expect(Vocabulary([String]()).id(of: "a") == nil)
  }

  @Test("The first repeated word")
  func duplicates() {
    let vocabulary = Vocabulary(["x", "b", "a", "b", "x", "b"])
    #expect(vocabulary.firstDuplicate()! == (1, 3))
    #expect(vocabulary.id(of: "b") == 1)
    #expect(vocabulary.repeatedRows(keeping: .first, ignoring: []).sorted() == [3, 4, 5])
    #expect(vocabulary.repeatedRows(keeping: .last, ignoring: []).sorted() == [0, 1, 3])
  }

  @Test("Word lists: line ends and nothing else cut them")
  func lists() throws {
    let folder = TemporaryFolder()
    #expect(try words("words.txt", rows: 23) == Fixture.words())
    let odd = folder.write("a\nb c\r\n\u{85}\u{2028}\n\n{\nlast", "odd")
    #expect(try words(odd, rows: 6) == ["a", "b c\r", "\u{85}\u{2028}", "", "{", "last"])
    #expect(try words(folder.write("a\r\nb\r\n\r\n"), rows: 3) == ["a", "b", ""])
    #expect(try words(folder.write("{\na\n"), rows: 2) == ["{", "a"])
    let error = failure { () throws(DPQError) in try Vocabulary.read(odd, rows: 7) }
    #expect(error?.code == .malformedInput && error?.message.contains("has 6 words, the table 7 rows") == true)
  }

  @Test("Tokenizers as Hugging Face writes them")
  func tokenizers() throws {
    let all = Fixture.words()
    for name in ["tokenizer_unigram.json", "tokenizer_config.json", "vocab.json"] {
      #expect(try words(name, rows: 23) == all, "\(name)")
      #expect(try words(name, rows: nil) == all, "\(name)")
    }
    // 20 tokens of the model, one added at 21, one behind the table at 23; 20 and 22 have no token.
    let expected = all[..<20] + ["[id 20]", "[extra \u{1F600}]", "[id 22]"]
    #expect(try words("tokenizer_wordpiece.json", rows: 23) == Array(expected))
    #expect(try words("tokenizer_wordpiece.json", rows: nil).count == 24)
    let short = failure { () throws(DPQError) in
      try Vocabulary.read(Fixture.path("tokenizer_unigram.json"), rows: 22)
    }
    #expect(short?.message.contains("id 22, the table has only 22 rows") == true)
    let long = failure { () throws(DPQError) in try Vocabulary.read(Fixture.path("vocab.json"), rows: 100) }
    #expect(long?.message.contains("names only 23 of 100 rows") == true)
  }

  @Test("JSON: escapes, and texts that are wrong", arguments: [1])
  func json(_: Int) throws {
    let folder = TemporaryFolder()
    let escapes = #"{"\u00e9\n\t\"\\\/":0,"\ud83d\ude00\ud83d":1,"b\u0000c":2}"#
    #expect(try words(folder.write(escapes), rows: 3) == ["é\n\t\"\\/", "😀\u{FFFD}", "b\u{0}c"])
    for text in [
      "{\"", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}}", "{\"a\":-1}", "{\"a\":1.5}", "{\"a\":\"b\"}", "{}",
      "{\"a\":99999999999999999999}", "{\"model\":{\"vocab\":[1]}}", "{\"a\":0}x", "{\"a\u{0}\":0}",
      "{\"added_tokens\":[{\"id\":0}]}", "{\"a\":9223372036854775807}",
    ] {
      let error = failure { () throws(DPQError) in try Vocabulary.read(folder.write(text), rows: nil) }
      #expect(error?.code == .malformedInput, "\(text)")
    }
  }

  @Test("Words for a table that has none")
  func forTable() throws {
    let table = try EmbeddingTable.read(
      Fixture.path("c_f32_v1.npy"), options: .init(vocabularyPath: Fixture.path("tokenizer_unigram.json")))
    #expect(table.words == Fixture.words())
    let folder = TemporaryFolder()
    let repeated = folder.write(Fixture.words().map { $0 == "e5" ? "the\n" : $0 + "\n" }.joined())
    let error = failure { () throws(DPQError) in
      try EmbeddingTable.read(Fixture.path("c_f32_v1.npy"), options: .init(vocabularyPath: repeated))
    }
    #expect(error?.code == .duplicateWord && error?.context.row == 8)
    let first = try EmbeddingTable.read(
      Fixture.path("c_f32_v1.npy"), options: .init(vocabularyPath: repeated, duplicates: .first))
    #expect(first.rows == 22)
  }

  @Test("Weights of rows")
  func weights() throws {
    let folder = TemporaryFolder()
    let table = EmbeddingTable.made(rows: 3, dimension: 2, words: ["a", "b", "New York"], seed: 1)
    let plain = EmbeddingTable.made(rows: 3, dimension: 2, words: nil, seed: 1)
    func weights(_ text: String, _ table: EmbeddingTable) throws -> [Float] {
      try RowWeights.read(folder.write(text), table: table)
    }
    #expect(try weights("1\n2.5\n0\n", plain) == [1, 2.5, 0])
    #expect(try weights("b 7\nNew York 3\nother 1\n", table) == [3, 7, 3])
    #expect(
      try RowWeights.read(
        Fixture.path("weights_i64.npy"), table: EmbeddingTable.read(Fixture.path("c_f32_v1.npy")))
        == (1...23).map { Float($0) })
    for text in ["1\n2\n", "1\n2\n3\n4\n", "1\n-2\n3\n", "1\nnan\n3\n", "0\n0\n0\n", "1\nx\n3\n", "", "1\na 2\n3\n"] {
      let error = failure { () throws(DPQError) in try RowWeights.read(folder.write(text), table: plain) }
      #expect(error?.code == .malformedInput, "\(text)")
    }
    for (text, table) in [("a 1\n", plain), ("z 1\n", table), ("a 1\n2\n", table)] {
      let error = failure { () throws(DPQError) in try RowWeights.read(folder.write(text), table: table) }
      #expect(error?.code == .malformedInput, "\(text)")
    }
  }

  @Test("Real tables with their words, where they are at hand")
  func realTables() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let shared =
      ProcessInfo.processInfo.environment["DPQ_SHARED"] ?? root.deletingLastPathComponent().path + "/shared"
    let folder = shared + "/data/embeddings"
    guard FileManager.default.fileExists(atPath: folder) else {
      print("SKIPPED: no real tables at \(folder); set DPQ_SHARED to where they are")
      return
    }
    // 23 tokens of wordllama end with a carriage return, which its word list has lost: they stand twice there.
    for (name, type, rows, dimension, sample) in [
      ("glove.6B.50d.taskextra", "f32", 37_996, 50, nil), ("wordllama.l2_supercat_256", "f16", 31_977, 256, "<unk>"),
      ("all-MiniLM-L6-v2.tokens", "f16", 30_522, 384, "[PAD]"),
    ] as [(String, String, Int, Int, String?)] {
      let table = try EmbeddingTable.read(
        "\(folder)/\(name).\(type).npy.zst",
        options: .init(vocabularyPath: "\(folder)/\(name).vocab.txt.zst", duplicates: .first))
      #expect(table.rows == rows && table.dimension == dimension)
      let vocabulary = table.vocabulary!
      #expect(sample == nil || vocabulary[0] == sample)
      for id in stride(from: 0, to: rows, by: 997) { #expect(vocabulary.id(of: vocabulary[id]) == id) }
    }
  }
}
