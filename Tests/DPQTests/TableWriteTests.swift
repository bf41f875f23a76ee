import Foundation
import Testing

@testable import DPQ

@Suite("Writing tables")
struct TableWriteTests {
  static let writable = TableFormat.allCases.filter(\.isWritable)

  @Test("What is written reads back, to the bit", arguments: writable)
  func roundTrip(_ format: TableFormat) throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 11)
    for (rows, dimension) in [(1, 1), (1, 7), (3, 1), (2, 300), (50, 16), (700, 513)] {
      let words = (0..<rows).map { "w\($0)é\(UInt8.random(in: 0...255, using: &generator))" }
      let table = EmbeddingTable.made(rows: rows, dimension: dimension, words: words, seed: UInt64(rows))
      let path = folder.file("table-\(rows)-\(dimension)")
      try table.write(to: path, format: format, replacing: false)
      let back = try EmbeddingTable.read(path)
      #expect(back.rows == rows && back.dimension == dimension)
      #expect(bits(back.values) == bits(table.values), "\(rows) × \(dimension)")
      #expect(back.words == (format.holdsWords ? words : nil))
    }
  }

  @Test("Every reader's table can be written in every format")
  func conversions() throws {
    let folder = TemporaryFolder()
    for name in ["c_f16.npy", "f_f64_big.npy", "bf16.safetensors", "glove.txt", "fasttext_ngrams.bin"] {
      let table = try EmbeddingTable.read(Fixture.path(name))
      for format in Self.writable {
        let path = folder.file("out")
        try table.write(to: path, format: format, replacing: true)
        let back = try EmbeddingTable.read(path)
        #expect(bits(back.values) == bits(table.values), "\(name) as \(format.rawValue)")
        if format.holdsWords { #expect(back.words == table.words ?? (0..<table.rows).map(String.init)) }
      }
    }
  }

  @Test("Words a format cannot hold are refused, and nothing is left behind")
  func impossibleWords() throws {
    let folder = TemporaryFolder()
    let spaced = EmbeddingTable.made(rows: 2, dimension: 3, words: ["a\r", "New York"], seed: 1)
    try spaced.write(to: folder.file("a.txt"), format: .word2vecText, replacing: false)
    #expect(try EmbeddingTable.read(folder.file("a.txt")).words == ["a\r", "New York"])
    func refused(_ words: [String], _ format: TableFormat) {
      let table = EmbeddingTable.made(rows: 2, dimension: 3, words: words, seed: 1)
      let error = failure { () throws(DPQError) in
        try table.write(to: folder.file("refused"), format: format, replacing: false)
      }
      #expect(error?.code == .invalidArgument && error?.context.row == 1, "\(words)")
    }
    refused(["a", "New York"], .word2vecBinary)
    for format in [TableFormat.word2vecText, .word2vecBinary, .glove] {
      refused(["a", ""], format)
      refused(["a", "b\nc"], format)
    }
    refused(["a", " b"], .word2vecText)
    refused(["a", "b 0.5"], .glove)
    #expect(folder.names == ["a.txt"])
  }

  @Test("Rows come in any blocks; missing or surplus rows are refused")
  func blocks() throws {
    let folder = TemporaryFolder()
    let table = EmbeddingTable.made(rows: 10, dimension: 4, words: nil, seed: 2)
    let values = table.values
    var writer = try TableWriter(
      path: folder.file("a.npy"), format: .npy, rows: 10, dimension: 4, vocabulary: nil, replacing: false)
    for (first, last) in [(0, 1), (1, 1), (1, 7), (7, 10)] {
      try writer.write(values.span.extracting(4 * first..<4 * last))
    }
    try writer.finish()
    #expect(bits(try EmbeddingTable.read(folder.file("a.npy")).values) == bits(values))

    let surplus = failure { () throws(DPQError) in
      var writer = try TableWriter(
        path: folder.file("b.npy"), format: .npy, rows: 9, dimension: 4, vocabulary: nil, replacing: false)
      try writer.write(values.span)
    }
    #expect(surplus?.code == .invalidArgument)
    let missing = failure { () throws(DPQError) in
      var writer = try TableWriter(
        path: folder.file("b.npy"), format: .npy, rows: 11, dimension: 4, vocabulary: nil, replacing: false)
      try writer.write(values.span)
      try writer.finish()
    }
    #expect(missing?.code == .invalidArgument)
    for format in [TableFormat.npz, .fastTextBin] {
      let error = failure { () throws(DPQError) in
        try table.write(to: folder.file("c"), format: format, replacing: false)
      }
      #expect(error?.code == .invalidArgument)
    }
    #expect(folder.names == ["a.npy"])
  }

  @Test("Existing files, folders, links and devices")
  func targets() throws {
    let folder = TemporaryFolder()
    let table = EmbeddingTable.made(rows: 2, dimension: 2, words: nil, seed: 3)
    let path = folder.write("old", "a.npy")
    chmod(path, 0o640)
    let existing = failure { () throws(DPQError) in try table.write(to: path, format: .npy, replacing: false) }
    #expect(existing?.code == .cannotCreateOutput)
    #expect(FileManager.default.contents(atPath: path)! == Data("old".utf8))
    try FileManager.default.createSymbolicLink(atPath: folder.file("link"), withDestinationPath: path)
    try table.write(to: folder.file("link"), format: .npy, replacing: true)
    #expect(bits(try EmbeddingTable.read(path).values) == bits(table.values))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link")) == path)
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as! NSNumber
    #expect(mode.intValue == 0o640)
    for target in [folder.path, folder.file("missing/a.npy")] {
      let error = failure { () throws(DPQError) in try table.write(to: target, format: .npy, replacing: true) }
      #expect(error?.code == .cannotCreateOutput)
    }
    try table.write(to: "/dev/null", format: .npy, replacing: false)
    #if os(Linux)
      let full = failure { () throws(DPQError) in try table.write(to: "/dev/full", format: .npy, replacing: false) }
      #expect(full?.code == .inputOutput && full?.message.contains("No space left") == true)
    #endif
    #expect(folder.names == ["a.npy", "link"])
  }

  @Test("An unfinished file leaves nothing, a finished one appears whole")
  func atomicity() throws {
    let folder = TemporaryFolder()
    do {
      var file = try AtomicFile(path: folder.file("a"), replacing: false)
      try file.write(String(repeating: "x", count: 1 << 20))
      #expect(folder.names.filter { !$0.hasPrefix(".dpq-") }.isEmpty)
    }
    #expect(folder.names.isEmpty)
    let late = failure { () throws(DPQError) in
      var file = try AtomicFile(path: folder.file("a"), replacing: false)
      try file.write("0123456789")
      // Someone else was faster.
      _ = folder.write("theirs", "a")
      try file.commit()
    }
    #expect(late?.code == .cannotCreateOutput)
    #expect(FileManager.default.contents(atPath: folder.file("a"))! == Data("theirs".utf8))
    var file = try AtomicFile(path: folder.file("a"), replacing: true)
    try file.write("0123456789")
    try [UInt8(ascii: "X")].withUnsafeBytes { bytes in try file.write(at: 3, bytes) }
    try file.write("end")
    try file.commit()
    #expect(FileManager.default.contents(atPath: folder.file("a"))! == Data("012X456789end".utf8))
    #expect(folder.names == ["a"])
  }

  @Test("The extension of an output chooses its format")
  func extensions() {
    #expect(TableFormat(writingTo: "a/b.npy") == .npy)
    #expect(TableFormat(writingTo: "b.SAFETENSORS") == .safetensors)
    #expect(TableFormat(writingTo: "b.txt") == .word2vecText)
    #expect(TableFormat(writingTo: "b.vec") == .word2vecText)
    #expect(TableFormat(writingTo: "b.bin") == .word2vecBinary)
    #expect(TableFormat(writingTo: "b.fbin") == .fbin)
    #expect(TableFormat(writingTo: "b.fvecs") == .fvecs)
    for path in ["b", "a.npy/b", "b.npz", "b.gz", ""] { #expect(TableFormat(writingTo: path) == nil) }
  }

  @Test("numpy, safetensors and gensim read what is written")
  func readByPython() throws {
    let folder = TemporaryFolder()
    let table = try EmbeddingTable.read(Fixture.path("word2vec.bin"))
    for format in [TableFormat.npy, .safetensors, .word2vecText, .word2vecBinary, .fbin] {
      try table.write(to: folder.file(format.rawValue), format: format, replacing: false)
    }
    _ = Python.run(
      """
      import sys, numpy as np
      folder, fixtures = sys.argv[1:]
      expected = np.load(fixtures + "/table.expected.npy")
      same = lambda array: array.dtype == np.float32 and array.tobytes() == expected.tobytes()
      assert same(np.load(folder + "/npy", mmap_mode="r"))
      assert same(np.fromfile(folder + "/fbin", np.float32)[2:].reshape(expected.shape))
      assert list(np.fromfile(folder + "/fbin", np.uint32)[:2]) == list(expected.shape)
      """, modules: ["numpy"], arguments: [folder.path, Fixture.folder])
    _ = Python.run(
      """
      import sys, numpy as np
      from safetensors.numpy import load_file
      folder, fixtures = sys.argv[1:]
      tensors = load_file(folder + "/safetensors")
      assert list(tensors) == ["embedding.weight"]
      assert tensors["embedding.weight"].tobytes() == np.load(fixtures + "/table.expected.npy").tobytes()
      """, modules: ["numpy", "safetensors"], arguments: [folder.path, Fixture.folder])
    _ = Python.run(
      """
      import sys, numpy as np
      from gensim.models import KeyedVectors
      folder, fixtures = sys.argv[1:]
      expected = np.load(fixtures + "/table.expected.npy")
      words = open(fixtures + "/words.txt", encoding="utf-8", newline="\\n").read().split("\\n")[:-1]
      for name, binary in [("word2vec-text", False), ("word2vec-binary", True)]:
          vectors = KeyedVectors.load_word2vec_format(folder + "/" + name, binary=binary)
          assert vectors.index_to_key == words, name
          assert vectors.vectors.tobytes() == expected.tobytes(), name
      """, modules: ["numpy", "gensim"], arguments: [folder.path, Fixture.folder])
  }
}

@Suite("Decimal numbers")
struct FormatDecimalTests {
  private func parse(_ text: String) -> Float? { DecimalFloat.value(Array(text.utf8).span) }

  @Test("Every float's shortest text comes back")
  func shortest() {
    var generator = SeededGenerator(seed: 5)
    // Collected, for an expectation costs more than what it checks here.
    var wrong: [String] = []
    for _ in 0..<200_000 {
      let value = Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
      if value.isNaN { continue }
      if parse(value.description)?.bitPattern != value.bitPattern { wrong.append(value.description) }
    }
    #expect(wrong.isEmpty)
  }

  @Test("Rounded correctly, also beside the middle of two floats")
  func rounding() {
    var generator = SeededGenerator(seed: 6)
    var wrong: [String] = []
    for i in 0..<60_000 {
      let text: String
      switch i % 3 {
      case 0:
        // The exact middle of two neighbours, and one digit further.
        let value = Float(bitPattern: UInt32.random(in: 0x2000_0000...0x5F00_0000, using: &generator))
        let middle = (Double(value) + Double(value.nextUp)) / 2
        text = ["\(middle)", "\(middle.nextUp)", "\(middle.nextDown)"].randomElement(using: &generator)!
      case 1:
        let digits = (0..<Int.random(in: 1...30, using: &generator)).map { _ in
          String(Int.random(in: 0...9, using: &generator))
        }.joined()
        text =
          "\(digits.prefix(digits.count / 2)).\(digits.suffix(digits.count - digits.count / 2))"
          + "e\(Int.random(in: -70...50, using: &generator))"
      default:
        text = "\(Int.random(in: -999_999...999_999, using: &generator))e-\(Int.random(in: 0...9, using: &generator))"
      }
      // strtof of the C library rounds correctly.
      if parse(text)?.bitPattern != strtof(text, nil).bitPattern { wrong.append(text) }
    }
    #expect(wrong.isEmpty)
  }

  @Test("What is a number and what is not")
  func syntax() {
    for (text, value) in [
      ("0", 0), ("1.", 1), (".5", 0.5), ("+2", 2), ("1E2", 100), ("00012", 12), ("1e-2", 0.01),
      ("3.4028235e38", 3.4028235e38),
      ("1e-46", 0), ("1e-45", .leastNonzeroMagnitude), ("16777217", 16_777_216),
      ("0.0000000000000000000000000000000000000001e40", 1),
    ] as [(String, Float)] {
      #expect(parse(text) == value, "\(text)")
    }
    #expect(parse("-0")?.sign == .minus)
    #expect(parse("1e400") == .infinity)
    #expect(parse("NaN")?.isNaN == true)
    #expect(parse("-Inf") == -.infinity)
    for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1,5", "infx", "--1", "1 ", " 1", "١"] {
      #expect(parse(text) == nil, "\(text)")
    }
  }
}
