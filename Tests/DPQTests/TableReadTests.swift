import Foundation
import Testing

@testable import DPQ

@Suite("Reading tables")
struct TableReadTests {
  /// name, expected values, whether it has the words of words.txt
  static let plain: [(String, String, Bool)] = [
    ("c_f32_v1.npy", "table", false), ("c_f32_v2.npy", "table", false), ("c_f32_v3.npy", "table", false),
    ("f_f32.npy", "table", false), ("c_f32_big.npy", "table", false), ("f_f64_big.npy", "table", false),
    ("c_f64.npy", "table", false), ("c_f16.npy", "half", false), ("f_f16.npy", "half", false),
    ("one.npz", "table", false), ("one_deflated.npz", "table", false), ("zip64.npz", "table", false),
    ("one.safetensors", "table", false), ("bf16.safetensors", "bf16", false),
    ("word2vec.txt", "table", true), ("word2vec.txt.gz", "table", true), ("word2vec.txt.zst", "table", true),
    ("glove.txt", "table", true), ("glove.txt.gz", "table", true), ("glove.txt.zst", "table", true),
    ("word2vec.bin", "table", true), ("word2vec_newlines.bin", "table", true),
    ("table.fbin", "table", false), ("table.fvecs", "table", false), ("table.fvecs.gz", "table", false),
    ("c_f32_v1.npy.gz", "table", false), ("c_f32_v1.npy.zst", "table", false),
  ]

  @Test("Files of the ecosystems' own writers, to the bit", arguments: plain)
  func reads(_ name: String, _ expected: String, _ hasWords: Bool) throws {
    let table = try EmbeddingTable.read(Fixture.path(name))
    #expect(table.rows == 23)
    #expect(table.dimension == 6)
    #expect(bits(table.values) == bits(Fixture.expected(expected + ".expected.npy")))
    #expect(table.words == (hasWords ? Fixture.words() : nil))
    #expect(table.sourceBytes == Fixture.bytes(name).count)
  }

  @Test("Contents tell the format, whatever the name", arguments: plain)
  func ignoresNames(_ name: String, _ expected: String, _ hasWords: Bool) throws {
    let folder = TemporaryFolder()
    let table = try EmbeddingTable.read(folder.write(Fixture.bytes(name), "table.dat"))
    #expect(bits(table.values) == bits(Fixture.expected(expected + ".expected.npy")))
  }

  @Test("Words with spaces: numbers are counted from the right")
  func spacedWords() throws {
    let table = try EmbeddingTable.read(Fixture.path("glove_spaces.txt"))
    #expect(table.words == Fixture.words("spaced_words.txt"))
    #expect(bits(table.values) == bits(Fixture.expected("table.expected.npy")))
  }

  @Test("fastText's composed vectors, to the bit", arguments: ["ngrams", "letters", "words", "supervised"])
  func fastText(_ kind: String) throws {
    let table = try EmbeddingTable.read(Fixture.path("fasttext_\(kind).bin"))
    #expect(table.words == Fixture.words("fasttext_\(kind).words.txt"))
    #expect(table.dimension == 8)
    #expect(bits(table.values) == bits(Fixture.expected("fasttext_\(kind).expected.npy")))
  }

  @Test("C-order little-endian arrays are mapped, not copied")
  func mapping() throws {
    for name in ["c_f32_v1.npy", "c_f16.npy", "c_f64.npy", "one.npz", "one.safetensors", "table.fbin"] {
      #expect(try EmbeddingTable.read(Fixture.path(name)).storage.isFileMapping, "\(name)")
    }
  }

  @Test("A tensor is chosen by name")
  func tensors() throws {
    let table = try EmbeddingTable.read(Fixture.path("three.safetensors"), options: .init(tensor: "c"))
    #expect(table.elementType == .float64)
    #expect(bits(table.values) == bits(Fixture.expected("table.expected.npy")))
    let array = try EmbeddingTable.read(Fixture.path("two.npz"), options: .init(tensor: "second"))
    #expect(bits(array.values) == bits(Fixture.expected("half.expected.npy")))
    #expect(try EmbeddingTable.read(Fixture.path("two.npz"), options: .init(tensor: "first.npy")).rows == 23)

    let unclear = failure { () throws(DPQError) in try EmbeddingTable.read(Fixture.path("three.safetensors")) }
    #expect(unclear?.code == .invalidArgument)
    #expect(unclear?.description.contains("a (F32 23 × 6), b (F16 23 × 6), c (F64 23 × 6)") == true)
    let unclearArray = failure { () throws(DPQError) in try EmbeddingTable.read(Fixture.path("two.npz")) }
    #expect(unclearArray?.description.contains("first, second") == true)
    for name in ["three.safetensors", "two.npz"] {
      let missing = failure { () throws(DPQError) in
        try EmbeddingTable.read(Fixture.path(name), options: .init(tensor: "z"))
      }
      #expect(missing?.code == .inputNotFound)
    }
    let vector = failure { () throws(DPQError) in
      try EmbeddingTable.read(Fixture.path("one.safetensors"), options: .init(tensor: "bias"))
    }
    #expect(vector?.code == .malformedInput)
  }

  @Test("Inputs that are no table: one line, the right code")
  func refusals() throws {
    let folder = TemporaryFolder()
    func check(
      _ path: String, _ code: DPQError.Code, _ text: String, _ location: SourceLocation = #_sourceLocation
    ) {
      let error = failure(sourceLocation: location) { () throws(DPQError) in try EmbeddingTable.read(path) }
      #expect(error?.code == code, "\(error?.description ?? "")", sourceLocation: location)
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "")", sourceLocation: location)
      #expect(error?.context.file == path, sourceLocation: location)
      #expect(error?.description.contains("\n") == false, sourceLocation: location)
    }
    func safetensors(_ header: String, _ data: Int = 0, length: UInt64? = nil) -> String {
      let length = length ?? UInt64(header.utf8.count)
      let bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + header.utf8
      return folder.write(bytes + [UInt8](repeating: 0, count: data))
    }
    func npy(_ header: String) -> String {
      folder.write([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + header.utf8)
    }
    check(folder.file("missing"), .inputNotFound, "no such file")
    check(folder.path, .malformedInput, "is a folder")
    check(folder.write(""), .malformedInput, "is empty")
    check(folder.write("hello world\nthis is prose\n"), .malformedInput, "not a table")
    check(folder.write([0, 1, 2, 3, 0, 0, 0, 0, 9]), .malformedInput, "not a table")
    check(Fixture.path("int64.npy"), .malformedInput, "holds int64 elements")
    check(Fixture.path("one_axis.npy"), .malformedInput, "the array is 5, not a table")
    check(Fixture.path("three_axes.npy"), .malformedInput, "2 × 3 × 4")
    check(Fixture.path("no_rows.npy"), .malformedInput, "no rows")
    check(Fixture.path("no_columns.npy"), .malformedInput, "no values")
    check(Fixture.path("fasttext_quantized.ftz"), .malformedInput, "quantized")
    // A long first word and a maxn of 2³¹ − 1: the number of n-grams would be the square of the word's length.
    var model = Fixture.bytes("fasttext_ngrams.bin")
    model.replaceSubrange(48..<52, with: [0xFF, 0xFF, 0xFF, 0x7F])
    model.insert(contentsOf: [UInt8](repeating: 0x61, count: 5000), at: 92)
    check(folder.write(model), .malformedInput, "n-grams of up to 2147483647 characters cannot be right")
    check(Fixture.path("tokenizer_wordpiece.json"), .malformedInput, "not a table")

    // Counts that nothing can hold.
    check(
      npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }"), .malformedInput,
      "cannot be right")
    check(
      npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4), }"), .malformedInput, "damaged")
    check(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 400), }"), .truncatedInput, "needs")
    check(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"), .malformedInput, "records")
    check(npy("{'descr': '<f4'}"), .malformedInput, "lacks")
    check(safetensors("{}", length: .max), .malformedInput, "header of 18446744073709551615 bytes")
    check(safetensors("{}", length: 99_000_000), .truncatedInput, "the file has 10")
    check(safetensors("{}"), .malformedInput, "no two-dimensional array")
    check(safetensors("{\"a\":1}"), .malformedInput, "entry of tensor a")
    check(safetensors("{\"a\": {]}"), .malformedInput, "not valid JSON")
    let big = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}"
    check(safetensors(big), .malformedInput, "does not fit")
    let early = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"
    check(safetensors(early, 15), .truncatedInput, "incomplete")
    check(safetensors(early, 17), .malformedInput, "follow the last tensor")
    let nested = String(repeating: "[", count: 100_000)
    check(safetensors("{\"" + nested + "\":" + nested), .malformedInput, "not valid JSON")
    let compressed =
      "{\"__metadata__\":{\"format\":\"dpq\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"
    check(safetensors(compressed, 16), .malformedInput, "compressed table")
    check(folder.write("99999999999999 300\nthe 1 2\n"), .malformedInput, "numbers, the table 300")
    check(folder.write("4000000000 1000000\n\u{1}\u{2}\u{3}\u{0}"), .truncatedInput, "needs")
    check(folder.write("9223372036854775807 9223372036854775807\nthe 1 2\n"), .malformedInput, "cannot be right")
    check(folder.write("0 5\n"), .malformedInput, "no rows")
    check(folder.write("5 0\na\n"), .malformedInput, "no values")
    var fbin = Fixture.bytes("table.fbin")
    check(folder.write(fbin + [1]), .malformedInput, "1 bytes follow")
    fbin[0] = 24
    check(folder.write(fbin), .truncatedInput, "needs 584 bytes")
    var fvecs = Fixture.bytes("table.fvecs")
    fvecs[4 * 7 * 5] = 7
    check(folder.write(fvecs), .malformedInput, "the row has 7 values, the ones before it 6")
    var zip = Fixture.bytes("one_deflated.npz")
    zip[200] ^= 0xFF
    let damaged = failure { () throws(DPQError) in
      try EmbeddingTable.read(folder.write(zip), options: .init(tensor: "table"))
    }
    #expect(damaged?.code == .malformedInput || damaged?.code == .checksumMismatch)
    var stored = Fixture.bytes("one.npz")
    stored[300] ^= 1
    check(folder.write(stored), .checksumMismatch, "does not match its checksum")
    // The process may be root, who may read everything.
    if getuid() != 0 {
      let secret = folder.write("a 1\n", "secret")
      chmod(secret, 0)
      check(secret, .inputOutput, "Permission denied")
    }
  }

  @Test("Text that breaks its own rules: the row and the line")
  func raggedText() throws {
    let folder = TemporaryFolder()
    func check(
      _ text: String, _ code: DPQError.Code, row: Int?, line: Int?, _ message: String,
      _ location: SourceLocation = #_sourceLocation
    ) {
      let error = failure(sourceLocation: location) { () throws(DPQError) in
        try EmbeddingTable.read(folder.write(text))
      }
      #expect(error?.code == code, "\(error?.description ?? "")", sourceLocation: location)
      #expect(error?.context.row == row, "\(error?.description ?? "")", sourceLocation: location)
      #expect(error?.context.line == line, "\(error?.description ?? "")", sourceLocation: location)
      #expect(error?.message.contains(message) == true, "\(error?.description ?? "")", sourceLocation: location)
    }
    check("a 1 2 3\nb 1 2\nc 1 2 3\n", .malformedInput, row: 1, line: 2, "2 numbers, the table 3")
    check("a .1 .2 .3\nb .1 .2 .3 .4\nc .1 .2 .3\n", .malformedInput, row: 1, line: 2, "4 numbers, the table 3")
    check("a 1 2 3\nb 1 2 3 4\nc 1 2 3\n", .malformedInput, row: 1, line: 2, "4 numbers, the table 3")
    check("a 1 2\nb 3\n", .malformedInput, row: 1, line: 2, "1 numbers, the table 2")
    check("a 1 2 3\nb 1 x 3\nc 1 2 3\n", .malformedInput, row: 1, line: 2, "1 numbers, the table 3")
    check("a 1 2 3\nb 1 2 3\nc 1 2", .truncatedInput, row: 2, line: 3, "incomplete")
    check("a 1 2 3\n\nc 1 2 3\n", .malformedInput, row: nil, line: 3, "empty line")
    check("2 3\na 1 2 3\nb 1 2\n", .malformedInput, row: 1, line: 3, "2 numbers")
    check("3 3\na 1 2 3\nb 1 2 3\n", .truncatedInput, row: nil, line: 4, "announces 3 rows, the file has 2")
    check("1 3\na 1 2 3\nb 1 2 3\n", .malformedInput, row: nil, line: 3, "a row follows the 1")
    check("a 1 2\na 3 4\n", .duplicateWord, row: 1, line: 2, "names row 0 too")
    check("2 2\na 1 2\nb 3 nan\n", .nonFiniteValue, row: 1, line: 3, "value 1")
    check("a 1 2\nb 1e39 4\n", .nonFiniteValue, row: 1, line: 2, "value 0")
  }

  @Test("Text that is unusual and right")
  func unusualText() throws {
    let folder = TemporaryFolder()
    func values(_ text: String) throws -> ([String], [Float]) {
      let table = try EmbeddingTable.read(folder.write(text))
      return (table.words!, table.values)
    }
    #expect(try values("1 .5 2 3\n2 1 2 3\nx 1 2 3\n") == (["1", "2", "x"], [0.5, 2, 3, 1, 2, 3, 1, 2, 3]))
    #expect(try values("2 3\r\na 1 2 3 \r\nb 4 5 6\r\n\r\n\n") == (["a", "b"], [1, 2, 3, 4, 5, 6]))
    #expect(try values("2 3 \na\t1\t2\t3\nb  4  5  6") == (["a", "b"], [1, 2, 3, 4, 5, 6]))
    #expect(try values("at x@y.org 1 2 3\na 1 2 3\nb 4 5 6\nto inf 7 8 9\n").0 == ["at x@y.org", "a", "b", "to inf"])
    #expect(try values("12 5\nfoo 1\nbar 2\n") == (["12", "foo", "bar"], [5, 1, 2]))
    #expect(try values("2 1\nfoo 1\nbar 2\n") == (["foo", "bar"], [1, 2]))
    #expect(try values("a +1e0 -.5 1E-2\n") == (["a"], [1, -0.5, 0.01]))
  }

  @Test("Duplicate words and values that are not finite, by the options")
  func policies() throws {
    let folder = TemporaryFolder()
    let text = folder.write("a 1 2\nb inf 3\na 5 6\nc 7 8\nb 9 10\n")
    func table(_ duplicates: DuplicatePolicy, _ nonFinite: NonFinitePolicy) throws -> ([String], [Float]) {
      let table = try EmbeddingTable.read(text, options: .init(duplicates: duplicates, nonFinite: nonFinite))
      return (table.words!, table.values)
    }
    #expect(try table(.first, .zero) == (["a", "b", "c"], [1, 2, 0, 3, 7, 8]))
    #expect(try table(.last, .zero) == (["a", "c", "b"], [5, 6, 7, 8, 9, 10]))
    // The row left out does not count as the first of its word.
    #expect(try table(.first, .skip) == (["a", "c", "b"], [1, 2, 7, 8, 9, 10]))
    #expect(failure { () throws(DPQError) in try EmbeddingTable.read(text) }?.code == .nonFiniteValue)

    // The same in the other types, in place over a mapped file, which stays as it is.
    for name in ["c_f32_v1.npy", "c_f16.npy", "c_f64.npy", "f_f32.npy", "bf16.safetensors"] {
      let original = try EmbeddingTable.read(Fixture.path(name))
      var bytes = Fixture.bytes(name)
      let size = original.elementType.byteCount
      // Row 2, value 1 becomes NaN: all bits of its element set.
      let isFortran = name.hasPrefix("f_")
      let element = isFortran ? 1 * 23 + 2 : 2 * 6 + 1
      let start = bytes.count - 23 * 6 * size + element * size
      for i in 0..<size { bytes[start + i] = 0xFF }
      let path = folder.write(bytes, "nan")
      let error = failure { () throws(DPQError) in try EmbeddingTable.read(path) }
      #expect(error?.code == .nonFiniteValue && error?.context.row == 2, "\(name)")
      var expected = original.values
      expected[13] = 0
      #expect(bits(try EmbeddingTable.read(path, options: .init(nonFinite: .zero)).values) == bits(expected), "\(name)")
      expected.removeSubrange(12..<18)
      let skipped = try EmbeddingTable.read(
        path, options: .init(vocabularyPath: Fixture.path("words.txt"), nonFinite: .skip))
      #expect(bits(skipped.values) == bits(expected), "\(name)")
      #expect(skipped.words == Fixture.words().enumerated().filter { $0.offset != 2 }.map(\.element))
      #expect(FileManager.default.contents(atPath: path)! == Data(bytes))
    }
    let hopeless = failure { () throws(DPQError) in
      try EmbeddingTable.read(folder.write("a nan\n"), options: .init(nonFinite: .skip))
    }
    #expect(hopeless?.code == .nonFiniteValue)
    // Finite as float64, not as float32.
    let huge = [UInt8]([0x93]) + Array("NUMPY".utf8) + [1, 0, 0x3A, 0]
    let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)} "
    let value = withUnsafeBytes(of: 1e300) { Array($0) }
    let path = folder.write(huge + header.utf8 + value)
    #expect(failure { () throws(DPQError) in try EmbeddingTable.read(path) }?.code == .nonFiniteValue)
  }

  static let fixtures = try! FileManager.default.contentsOfDirectory(atPath: Fixture.folder).filter {
    !$0.hasSuffix(".py") && !$0.hasSuffix(".expected.npy") && !$0.hasSuffix("words.txt") && !$0.hasSuffix(".json")
  }.sorted()

  @Test("Cut off anywhere: an error, or a shorter table of the same rows", arguments: fixtures)
  func truncation(_ name: String) throws {
    let folder = TemporaryFolder()
    let bytes = Fixture.bytes(name)
    let options = TableReadOptions(tensor: name.hasPrefix("t") && !name.hasPrefix("table") ? "a" : nil)
    let mayEndEarly = name.hasSuffix(".txt") || name.hasSuffix(".fvecs") || name.hasSuffix("newlines.bin")
    let whole = try? EmbeddingTable.read(Fixture.path(name), options: options)
    for length in stride(from: 0, to: bytes.count, by: bytes.count > 700 ? 7 : 1) {
      let path = folder.write(bytes[..<length])
      do throws(DPQError) {
        let table = try EmbeddingTable.read(path, options: options)
        // Text may end after any row, or after any digit of its last number.
        #expect(mayEndEarly, "\(length)")
        guard let whole else { continue }
        #expect(table.rows <= whole.rows)
        if table.dimension == whole.dimension, table.rows > 1 {
          let count = (table.rows - 1) * table.dimension
          #expect(bits(Array(table.values[..<count])) == bits(Array(whole.values[..<count])), "\(length)")
        }
      } catch {
        #expect(!error.description.contains("\n"))
        #expect(error.code != .outOfMemory && error.code != .inputOutput)
      }
    }
  }

  @Test("Damaged anywhere: an error or a table, never a crash", arguments: fixtures)
  func damage(_ name: String) throws {
    let folder = TemporaryFolder()
    let bytes = Fixture.bytes(name)
    var generator = SeededGenerator(seed: 7)
    let options = TableReadOptions(duplicates: .first, nonFinite: .zero)
    for _ in 0..<60 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        let place = Int.random(in: 0..<min(bytes.count, 400), using: &generator)
        damaged[place] = [0, 0xFF, 0x7F, 0x80, UInt8.random(in: 0...255, using: &generator)].randomElement(
          using: &generator)!
      }
      if let table = try? EmbeddingTable.read(folder.write(damaged), options: options) {
        #expect(table.rows > 0 && table.dimension > 0)
        _ = table.values
      }
    }
  }
}
