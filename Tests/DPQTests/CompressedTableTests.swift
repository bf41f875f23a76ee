import Foundation
import Testing

@testable import DPQ

/// Files made by the compressor, read back through the runtime.
@Suite struct CompressedTableTests {
  /// A setting whose file takes a path of its own through reader and kernels.
  struct Setting: Sendable, CustomTestStringConvertible {
    let name: String
    let rows: Int
    let dimension: Int
    let groups: Int
    let codes: Int
    var isShared = false
    var metric = Metric.l2
    var storage = Codebook.Storage.float32
    var hasWords = true
    var testDescription: String { name }
  }

  static let settings = [
    Setting(name: "8 bits", rows: 600, dimension: 24, groups: 6, codes: 256),
    Setting(name: "4 bits, no words", rows: 150, dimension: 18, groups: 9, codes: 16, hasWords: false),
    Setting(name: "5 bits, padded, cosine", rows: 120, dimension: 22, groups: 8, codes: 32, metric: .cosine),
    Setting(name: "shared, f16", rows: 130, dimension: 20, groups: 5, codes: 40, isShared: true, storage: .float16),
    Setting(name: "9 bits", rows: 700, dimension: 8, groups: 2, codes: 300),
  ]

  static func model(_ setting: Setting) throws -> CompressedModel {
    var generator = SeededGenerator(seed: 7)
    var values = (0..<setting.rows * setting.dimension).map { _ in Float.random(in: -1...1, using: &generator) }
    // A row of zeros has no direction: the cosine metric must bring it back as zeros.
    for i in 0..<setting.dimension { values[3 * setting.dimension + i] = 0 }
    let words = setting.hasWords ? Vocabulary((0..<setting.rows).map { $0 == 5 ? "étoile 😀" : "word\($0)" }) : nil
    let table = try EmbeddingTable(
      rows: setting.rows, dimension: setting.dimension, values: values.span, vocabulary: words)
    var options = CompressionOptions()
    options.groups = setting.groups
    options.codes = setting.codes
    options.isShared = setting.isShared
    options.metric = setting.metric
    options.codebookStorage = setting.storage
    options.epochs = 3
    options.threads = 1
    return try Compressor(options).compress(table).model
  }

  static func withFile<R>(_ setting: Setting, _ body: (String, CompressedModel) throws -> R) throws -> R {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).dpq").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let model = try model(setting)
    let bytes = try model.write(to: path)
    #expect(bytes == model.fileBytes)
    return try body(path, model)
  }

  /// Row `id` decoded from the model's own parts, bit by bit.
  static func expectedRow(_ id: Int, of model: CompressedModel) -> [Float] {
    let layout = model.layout
    return (0..<layout.dimension).map { column in
      let group = column / layout.width
      var code = 0
      for bit in 0..<layout.bits {
        let position = group * layout.bits + bit
        let byte = model.codes[id * layout.rowBytes + position / 8]
        code |= Int(byte >> UInt8(position % 8) & 1) << bit
      }
      let book = layout.isShared ? 0 : group
      let value = model.codebook.values[(book * layout.codes + code) * layout.width + column % layout.width]
      return model.norms.map { value * $0.codebook[Int($0.codes[id])] } ?? value
    }
  }

  @Test(arguments: settings) func describesWhatWasWritten(_ setting: Setting) throws {
    try Self.withFile(setting) { path, model in
      let table = try CompressedTable(path: path)
      #expect(table.rows == setting.rows)
      #expect(table.dimension == setting.dimension)
      #expect(table.layout == model.layout)
      #expect(table.metric == setting.metric)
      #expect(table.assignment == .nearest)
      #expect(table.tiers == model.tiers.map(\.shape))
      #expect(table.hasVocabulary == setting.hasWords)
      #expect(table.fileBytes == model.fileBytes)
      #expect(table.recipe == model.recipe)
      let sections = table.sections
      #expect(sections.map(\.name) == model.sections.map(\.name))
      #expect(sections.map(\.bytes) == model.sections.map(\.bytes))
      #expect(sections.reduce(0) { $0 + $1.bytes } == table.fileBytes)
      try table.verify()
      #expect(CompressedFile.isCompressed(path))
    }
  }

  @Test(arguments: settings) func givesBackTheParts(_ setting: Setting) throws {
    try Self.withFile(setting) { path, model in
      let table = try CompressedTable(path: path)
      let codewords = try table.codewords()
      #expect(codewords == .concat(model.codebook))
      #expect(table.codes() == model.codes)
      #expect(table.norms() == model.norms)
      let vocabulary = try table.vocabulary()
      #expect(vocabulary == model.vocabulary)
      let use = try table.codeUse()
      #expect(use.count == setting.groups)
      #expect(use.allSatisfy { $0.count == setting.codes && $0.reduce(0, +) == setting.rows })
    }
  }

  @Test(arguments: settings) func decodesRows(_ setting: Setting) throws {
    try Self.withFile(setting) { path, model in
      let table = try CompressedTable(path: path)
      let expected = (0..<setting.rows).flatMap { Self.expectedRow($0, of: model) }
      for threads in [1, 2, 0] {
        var values = [Float](repeating: -1, count: expected.count)
        var span = values.mutableSpan
        try table.read(first: 0, count: setting.rows, into: &span, threads: threads)
        #expect(values == expected)
      }
      let ids = [setting.rows - 1, 0, 3, 3]
      var values = [Float](repeating: -1, count: ids.count * setting.dimension)
      var span = values.mutableSpan
      try table.lookup(ids.span, into: &span)
      #expect(values == ids.flatMap { Self.expectedRow($0, of: model) })
      let row = try table.row(3)
      #expect(setting.metric == .l2 || row.allSatisfy { $0 == 0 })
      #expect(throws: DPQError.self) { _ = try table.row(setting.rows) }
      #expect(throws: DPQError.self) { _ = try table.row(-1) }
    }
  }

  @Test(arguments: settings) func findsWords(_ setting: Setting) throws {
    try Self.withFile(setting) { path, model in
      let table = try CompressedTable(path: path)
      for id in 0..<setting.rows {
        let word = table.word(id)
        #expect(word == model.vocabulary?[id])
        if let word {
          let found = table.id(of: word)
          #expect(found == id)
        }
      }
      let missing = [table.id(of: "word"), table.id(of: ""), table.id(of: "word99999")]
      #expect(missing == [nil, nil, nil])
      let outside = [table.word(-1), table.word(setting.rows)]
      #expect(outside == [nil, nil])
    }
  }

  @Test(arguments: settings, Similarity.allCases)
  func findsNeighbors(_ setting: Setting, _ similarity: Similarity) throws {
    try Self.withFile(setting) { path, model in
      let table = try CompressedTable(path: path)
      let rows = (0..<setting.rows).map { Self.expectedRow($0, of: model).map(Double.init) }
      let query = try table.row(7)
      let q = query.map(Double.init)
      let exact = rows.map { row in
        let dot = zip(q, row).reduce(0) { $0 + $1.0 * $1.1 }
        let norms = zip(q, row).reduce(into: (0.0, 0.0)) { $0 = ($0.0 + $1.0 * $1.0, $0.1 + $1.1 * $1.1) }
        return switch similarity {
        case .dot: dot
        case .cosine: norms.0 * norms.1 == 0 ? 0 : dot / (norms.0 * norms.1).squareRoot()
        case .l2: zip(q, row).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        }
      }
      let found = try table.neighbors(of: query.span, count: 10, similarity: similarity, excluding: 7)
      #expect(found.count == 10)
      #expect(!found.contains { $0.id == 7 })
      let sign = similarity == .l2 ? -1.0 : 1.0
      let scale = exact.reduce(1e-12) { max($0, abs($1)) }
      for neighbor in found { #expect(abs(Double(neighbor.score) - exact[neighbor.id]) <= 2e-5 * scale) }
      let worst = try #require(found.last).score
      let ids = Set(found.map(\.id))
      for id in 0..<setting.rows where id != 7 && !ids.contains(id) {
        #expect(sign * exact[id] <= sign * Double(worst) + 2e-5 * scale)
      }
      for (a, b) in zip(found, found.dropFirst()) {
        #expect(sign * Double(a.score) > sign * Double(b.score) || (a.score == b.score && a.id < b.id))
      }
      #expect(throws: DPQError.self) {
        _ = try table.neighbors(of: [1, 2].span, count: 1, similarity: similarity, excluding: nil)
      }
    }
  }

  /// What opening and verifying `path` ends with.
  static func failure(_ path: String) -> DPQError? {
    do throws(DPQError) {
      let table = try CompressedTable(path: path)
      try table.verify()
      return nil
    } catch {
      return error
    }
  }

  @Test func refusesDamage() throws {
    try Self.withFile(Self.settings[2]) { path, _ in
      let original = try Data(contentsOf: URL(fileURLWithPath: path))
      var flipped = original
      flipped[original.count - 1] ^= 1
      let cases: [(Data, DPQError.Code?)] = [
        (original, nil), (original.dropLast(), .corruptFile), (original.prefix(200), .corruptFile),
        (flipped, .checksumMismatch), (Data(), .malformedInput), (Data("a b c".utf8), .malformedInput),
      ]
      for (bytes, code) in cases {
        try bytes.write(to: URL(fileURLWithPath: path))
        let error = Self.failure(path)
        #expect(error?.code == code)
        #expect(error == nil || error?.context.file == path)
        #expect(error?.description.contains("\n") != true)
        #expect(CompressedFile.isCompressed(path) == (code != .malformedInput))
      }
    }
    #expect(!CompressedFile.isCompressed("/nonexistent"))
    #expect(!CompressedFile.isCompressed("/"))
    #expect(Self.failure("/nonexistent")?.code == .inputNotFound)
  }
}
