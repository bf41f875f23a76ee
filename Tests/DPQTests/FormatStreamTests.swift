import Foundation
import Testing

@testable import DPQ

@Suite("Inputs of unknown length, and the quick start")
struct FormatStreamTests {
  @Test(
    "Pipes give the same tables as files",
    arguments: [
      "c_f32_v1.npy", "f_f32.npy", "c_f32_big.npy", "one.npz", "one_deflated.npz", "one.safetensors", "word2vec.txt.gz",
      "glove.txt", "word2vec.bin", "table.fbin", "table.fvecs", "fasttext_ngrams.bin",
    ])
  func pipes(_ name: String) throws {
    let folder = TemporaryFolder()
    let pipe = folder.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    let bytes = Data(Fixture.bytes(name))
    Thread.detachNewThread { try? FileHandle(forWritingAtPath: pipe)?.write(contentsOf: bytes) }
    let table = try EmbeddingTable.read(pipe)
    let expected = try EmbeddingTable.read(Fixture.path(name))
    #expect(bits(table.values) == bits(expected.values))
    #expect(table.vocabulary == expected.vocabulary)
    #expect(table.sourceBytes == bytes.count || name.hasSuffix(".gz"))
  }

  @Test("Tables longer than the window")
  func long() throws {
    // 20 MB of text with long lines: the window moves, grows and wraps.
    let folder = TemporaryFolder()
    let row = Array((0..<20_000).map { " \($0 % 7).5" }.joined().utf8)
    var bytes: [UInt8] = []
    for i in 0..<250 { bytes += Array("w\(i)".utf8) + row + [0x0A] }
    let table = try EmbeddingTable.read(folder.write(bytes))
    #expect(table.rows == 250 && table.dimension == 20_000)
    let expected = (0..<20_000).map { Float($0 % 7) + 0.5 }
    #expect(try table.row(0) == expected)
    #expect(try table.row(249) == expected)
    let endless = failure { () throws(DPQError) in
      try EmbeddingTable.read(folder.write([UInt8](repeating: 0x61, count: 1 << 18) + Array(" 1".utf8)))
    }
    #expect(endless?.code == .malformedInput)
  }

  @Test("Wide fvecs, beyond the bytes that formats are told by")
  func wide() throws {
    let folder = TemporaryFolder()
    let table = EmbeddingTable.made(rows: 3, dimension: 70_000, words: nil, seed: 4)
    for format in [TableFormat.fvecs, .fbin] {
      let path = folder.file(format.rawValue)
      try table.write(to: path, format: format, replacing: false)
      #expect(bits(try EmbeddingTable.read(path).values) == bits(table.values))
    }
  }

  @Test("The quick start of the documentation")
  func quickStart() throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 9)
    let values = (0..<600 * 20).map { _ in Float.random(in: -1...1, using: &generator) }
    let words = (0..<600).map { $0 == 7 ? "house" : "w\($0)" }
    try EmbeddingTable(rows: 600, dimension: 20, values: values.span, vocabulary: Vocabulary(words))
      .write(to: folder.file("glove.txt"), format: .glove, replacing: false)

    let table = try EmbeddingTable.read(folder.file("glove.txt"))

    var options = CompressionOptions()
    options.groups = 10
    options.codes = 256
    let compression = try Compressor(options).compress(table)
    let bytes = try compression.model.write(to: folder.file("glove.dpq"))
    #expect(bytes == Int(try FileManager.default.attributesOfItem(atPath: folder.file("glove.dpq"))[.size] as! UInt64))
    #expect(compression.relativeError > 0 && compression.relativeError < 0.1)

    let compressed = try CompressedTable(path: folder.file("glove.dpq"))
    guard let id = compressed.id(of: "house") else {
      Issue.record("the word is not found")
      return
    }
    #expect(id == 7)
    let row = try compressed.row(id)
    let neighbors = try compressed.neighbors(of: row.span, count: 10, excluding: id)
    #expect(neighbors.count == 10 && !neighbors.contains { $0.id == id })
    // A compressed table is not a plain one.
    let error = failure { () throws(DPQError) in try EmbeddingTable.read(folder.file("glove.dpq")) }
    #expect(error?.code == .malformedInput && error?.message.contains("compressed table") == true)
  }
}
