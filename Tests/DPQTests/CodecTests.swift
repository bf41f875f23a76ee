import Foundation
import Testing

@testable import DPQ

@Suite struct CodecTests {
  /// A model of `table` written to a file.
  private func compressed(
    _ table: EmbeddingTable, _ change: (inout CompressionOptions) -> Void = { _ in }
  ) throws -> (model: CompressedModel, file: TemporaryPath) {
    let options = Made.options {
      $0.codes = 16
      change(&$0)
    }
    let model = try Compressor(options).compress(table).model
    let file = TemporaryPath("model.dpq")
    _ = try model.write(to: file.path)
    return (model, file)
  }

  @Test(arguments: Metric.allCases) func shardsJoinedAreTheWhole(_ metric: Metric) throws {
    let table = try Made.table(rows: 200, dimension: 10, words: true)
    let (model, file) = try compressed(table) { $0.metric = metric }
    let encoder = try Encoder(CompressedTable(path: file.path))
    let whole = try encoder.encode(table, threads: 2)
    #expect(whole.codes == model.codes && whole.norms == model.norms && whole.vocabulary == model.vocabulary)
    let first = try encoder.encode(table, range: 0..<77, threads: 1)
    let second = try encoder.encode(table, range: 77..<200, threads: 2)
    let part = TemporaryPath("part.dpq")
    _ = try first.write(to: part.path)
    let joined = try second.appended(to: CompressedTable(path: part.path))
    let (a, b) = (TemporaryPath("a.dpq"), TemporaryPath("b.dpq"))
    _ = try whole.write(to: a.path)
    _ = try joined.write(to: b.path)
    #expect(FileManager.default.contentsEqual(atPath: a.path, andPath: b.path))
    try CompressedTable(path: b.path).verify()
  }

  @Test func appendingRefusesWhatDoesNotFit() throws {
    let table = try Made.table(rows: 60, dimension: 8, words: true)
    let (model, file) = try compressed(table)
    let existing = try CompressedTable(path: file.path)
    func code(_ body: () throws(DPQError) -> Void) -> DPQError.Code? {
      do {
        try body()
        return nil
      } catch { return error.code }
    }
    #expect(code { () throws(DPQError) in _ = try model.appended(to: existing) } == .duplicateWord)
    let wordless = try Encoder(existing).encode(table.with(vocabulary: nil))
    #expect(code { () throws(DPQError) in _ = try wordless.appended(to: existing) } == .invalidArgument)
    let (other, _) = try compressed(try Made.table(rows: 60, dimension: 8, seed: 99))
    #expect(code { () throws(DPQError) in _ = try other.appended(to: existing) } == .invalidArgument)
    let narrow = try Made.table(rows: 5, dimension: 7)
    #expect(code { () throws(DPQError) in _ = try Encoder(existing).encode(narrow) } == .malformedInput)
    #expect(code { () throws(DPQError) in _ = try Encoder(existing).encode(table, range: 50..<61) } == .unknownRow)
    #expect(
      code { () throws(DPQError) in _ = try Encoder(existing).encode(table, progress: { _ in false }) } == .cancelled)
  }

  @Test func modelsOfTrainedResponsesCannotGrow() throws {
    let table = try Made.table(rows: 40, dimension: 4)
    let (model, _) = try compressed(table)
    let response = CompressedModel(
      assignment: .response, rows: model.rows, codes: model.codes, codebook: model.codebook, norms: nil,
      vocabulary: nil, recipe: model.recipe)
    let file = TemporaryPath("response.dpq")
    _ = try response.write(to: file.path)
    let opened = try CompressedTable(path: file.path)
    #expect(opened.assignment == .response)
    #expect(throws: DPQError.self) { try Encoder(opened) }
  }

  @Test func filesAreNotReplacedUnasked() throws {
    let (model, file) = try compressed(try Made.table(rows: 40, dimension: 4))
    let before = try Data(contentsOf: URL(fileURLWithPath: file.path))
    let error = #expect(throws: DPQError.self) { try model.write(to: file.path) }
    #expect(error?.code == .cannotCreateOutput)
    #expect(try model.write(to: file.path, replacing: true) == before.count)
    #expect(try Data(contentsOf: URL(fileURLWithPath: file.path)) == before)
  }

  @Test func headerIsAlignedJSONWithChecksums() throws {
    let (model, file) = try compressed(try Made.table(rows: 40, dimension: 4, words: true))
    let data = try Data(contentsOf: URL(fileURLWithPath: file.path))
    let length = (0..<8).reduce(0) { $0 | Int(data[$1]) << (8 * $1) }
    #expect((8 + length) % 64 == 0)
    let header = try #require(
      try JSONSerialization.jsonObject(with: data[8..<(8 + length)]) as? [String: Any])
    let metadata = try #require(header["__metadata__"] as? [String: String])
    #expect(metadata["format"] == "dpq" && metadata["tier.0.codes"] == "16")
    #expect(try JSONSerialization.jsonObject(with: Data(metadata["recipe"]!.utf8)) is [String: Any])
    var end = 0
    for tensor in model.shape.tensors {
      let entry = try #require(header[tensor.name] as? [String: Any])
      let offsets = try #require(entry["data_offsets"] as? [Int])
      #expect(offsets[0] == end && offsets[1] - offsets[0] == tensor.byteCount)
      let start = 8 + length + offsets[0]
      let checksum = data[start..<(start + tensor.byteCount)].withUnsafeBytes { Kernels.checksum($0) }
      #expect(metadata["checksum.\(tensor.name)"] == FileShape.hexadecimal(checksum))
      end = offsets[1]
    }
    #expect(8 + length + end == data.count)
  }

  /// The decoding that `architecture.md` promises: a few lines of numpy and nothing but the `safetensors` package.
  @Test(arguments: [Metric.l2, .cosine]) func numpyDecodesTheFile(_ metric: Metric) throws {
    let script = """
      import sys, json, struct, numpy as np
      from safetensors.numpy import load_file
      t = load_file(sys.argv[1])
      n = struct.unpack('<Q', open(sys.argv[1], 'rb').read(8))[0]
      m = json.loads(open(sys.argv[1], 'rb').read()[8:8 + n])['__metadata__']
      bits, groups, d = int(m['tier.0.bits']), int(m['tier.0.groups']), int(m['dimension'])
      b = np.unpackbits(t['tier.0.codes'], axis=1, bitorder='little')[:, :bits * groups]
      codes = (b.reshape(-1, groups, bits).astype(np.int64) << np.arange(bits)).sum(2)
      book = t['tier.0.codebook'].astype(np.float32)
      x = book[np.arange(groups) % book.shape[0], codes].reshape(len(codes), -1)[:, :d]
      if 'norm.codes' in t: x = x * t['norm.codebook'][t['norm.codes']][:, None]
      np.ascontiguousarray(x, np.float32).tofile(sys.argv[2])
      """
    let table = try Made.table(rows: 90, dimension: 11, words: true)
    for (codes, isShared, storage) in [
      (16, false, Codebook.Storage.float32), (20, true, .float16), (3, false, .float16),
    ] {
      let (_, file) = try compressed(table) {
        $0.groups = 4
        $0.codes = codes
        $0.isShared = isShared
        $0.codebookStorage = storage
        $0.metric = metric
      }
      let output = TemporaryPath("rows.f32")
      let arguments = [file.path, output.path]
      guard Python.run(script, modules: ["numpy", "safetensors"], arguments: arguments) != nil else { return }
      let decoded = try Data(contentsOf: URL(fileURLWithPath: output.path))
      let opened = try CompressedTable(path: file.path)
      var rows: [Float] = []
      for i in 0..<90 { rows += try opened.row(i) }
      #expect(decoded == rows.withUnsafeBytes { Data($0) })
    }
  }
}
