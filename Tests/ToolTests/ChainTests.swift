import Foundation
import Testing

/// The commands one after another, each reading what the one before wrote.
@Suite struct ChainTests {
  let folder: Folder
  let sample = Sample()

  init() throws {
    folder = try Folder()
    try folder.write(sample.gloveText, "table.txt")
    try Tool.succeed(
      "compress", "table.txt", "-o", "model.dpq", "--groups", "4", "--codes", "64", "--quiet", in: folder)
  }

  @Test func compressReportsTheContractsKeys() throws {
    let outcome = try Tool.succeed(
      "compress", "table.txt", "-o", "again.dpq", "--groups", "4", "--codes", "64", "--json", "--threads", "1",
      in: folder)
    #expect(
      orderedKeys(outcome.output) == [
        "rows", "dimension", "method", "groups", "codes", "bits_per_row", "file_bytes", "table_bytes", "ratio",
        "ratio_paper", "tiers", "mse", "relative_error", "cosine_mean", "weighted_relative_error", "seconds",
        "seconds.read", "seconds.train", "seconds.encode", "seconds.write", "peak_rss_bytes", "threads", "isa", "seed",
      ])
    let report = try outcome.object
    #expect(report["rows"] as? Int == 600)
    #expect(report["dimension"] as? Int == 16)
    #expect(report["method"] as? String == "kmeans")
    #expect(report["groups"] as? Int == 4)
    #expect(report["codes"] as? Int == 64)
    #expect(report["bits_per_row"] as? Int == 24)
    #expect(report["threads"] as? Int == 1)
    #expect(report["table_bytes"] as? Int == 4 * 600 * 16)
    let bytes = try folder.read("again.dpq").count
    #expect(report["file_bytes"] as? Int == bytes)
    // The words: their bytes, and 8 bytes an offset and an order.
    let words = (0..<600).reduce(0) { $0 + Sample.word($1).utf8.count } + 8 * 601 + 8 * 600
    let ratio = try #require(report["ratio"] as? Double)
    #expect(abs(ratio - Double(4 * 600 * 16) / Double(bytes - words)) < 1e-9)
    let paper = try #require(report["ratio_paper"] as? Double)
    #expect(abs(paper - Double(32 * 600 * 16) / Double(600 * 4 * 6 + 32 * 64 * 16)) < 1e-9)
    #expect(try folder.read("again.dpq") == folder.read("model.dpq"))
  }

  @Test func reportForPeopleNamesTheFile() throws {
    let outcome = try Tool.succeed(
      "compress", "table.txt", "-o", "again.dpq", "--groups", "4", "--codes", "64", in: folder)
    #expect(outcome.output.contains("600 rows x 16"))
    #expect(outcome.output.contains("again.dpq"))
  }

  @Test func decodeGivesTheRowsThatGetPrints() throws {
    try Tool.succeed("decode", "model.dpq", "-o", "decoded.npy", "--quiet", in: folder)
    let decoded = try folder.read("decoded.npy").suffix(4 * 600 * 16)
    let values = Data(decoded).floats()
    let rows = try Tool.succeed("get", "model.dpq", "word5", "word599", "--ids", "0,17", "--json", in: folder).objects
    #expect(rows.map { $0["id"] as? Int } == [5, 599, 0, 17])
    #expect(rows.map { $0["word"] as? String } == ["word5", "word599", "word0", "word17"])
    for row in rows {
      let id = try #require(row["id"] as? Int)
      let got = try #require(row["values"] as? [Double]).map { Float($0) }
      #expect(got == Array(values[id * 16..<(id + 1) * 16]))
    }
    let text = try Tool.succeed("get", "model.dpq", "word5", "--ids", "17", in: folder).output
    let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(lines.map(\.first) == ["word5", "word17"])
    #expect(lines[0].dropFirst().map { Float($0) } == values[5 * 16..<6 * 16].map { $0 })
    // Close to the table as well, not only to one another.
    let squares = zip(values, sample.values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    #expect(squares / sample.values.reduce(0) { $0 + $1 * $1 } < 0.1)
  }

  @Test(arguments: ["npy", "safetensors", "txt", "bin", "fbin"])
  func everyOutputFormatReadsBackTheSame(_ name: String) throws {
    try Tool.succeed("decode", "model.dpq", "-o", "decoded.\(name)", "--quiet", in: folder)
    try Tool.succeed("decode", "model.dpq", "-o", "reference.npy", "--quiet", in: folder)
    try Tool.succeed("convert", "decoded.\(name)", "back.npy", "--quiet", in: folder)
    #expect(try folder.read("back.npy") == folder.read("reference.npy"))
    if name == "txt" || name == "bin" {
      let text = try Tool.succeed("get", "decoded.\(name)", "word42", in: folder).output
      #expect(try text == Tool.succeed("get", "model.dpq", "word42", in: folder).output)
    }
  }

  @Test func convertOfACompressedTableDecodes() throws {
    try Tool.succeed("convert", "model.dpq", "converted.npy", "--quiet", in: folder)
    try Tool.succeed("decode", "model.dpq", "-o", "decoded.npy", "--quiet", in: folder)
    #expect(try folder.read("converted.npy") == folder.read("decoded.npy"))
  }

  @Test(arguments: ["cosine", "dot", "l2"])
  func neighborsOfTheCompressedTableAreThoseOfTheDecodedOne(_ metric: String) throws {
    try Tool.succeed("decode", "model.dpq", "-o", "decoded.txt", "--quiet", in: folder)
    func neighbors(_ file: String) throws -> [[String: Any]] {
      try Tool.succeed(
        "neighbors", file, "word3", "-k", "7", "--metric", metric, "--json", in: folder
      ).objects
    }
    let compressed = try neighbors("model.dpq")
    let plain = try neighbors("decoded.txt")
    #expect(compressed.count == 7)
    #expect(Set(compressed[0].keys) == ["id", "word", "score"])
    let scores = try [compressed, plain].map { try $0.map { try #require($0["score"] as? Double) } }
    for (a, b) in zip(scores[0], scores[1]) { #expect(abs(a - b) <= 1e-4 * max(1, abs(b))) }
    #expect(scores[0] == scores[0].sorted(by: metric == "l2" ? { $0 < $1 } : { $0 > $1 }))
    #expect(!compressed.contains { $0["id"] as? Int == 3 })
    for neighbor in compressed {
      #expect(try neighbor["word"] as? String == Sample.word(#require(neighbor["id"] as? Int)))
    }
  }

  @Test func neighborsByRowPrintsALineEach() throws {
    let byWord = try Tool.succeed("neighbors", "model.dpq", "word3", in: folder).output
    let byRow = try Tool.succeed("neighbors", "model.dpq", "--id", "3", "-k", "10", in: folder).output
    #expect(byWord == byRow)
    #expect(byWord.split(separator: "\n").count == 10)
    // Rows of the same cluster are 20 apart.
    #expect(byWord.hasPrefix("word") && byWord.contains("word23 ") || byWord.contains("word43 "))
  }

  @Test func evalAgreesWithTheCompressorAndGates() throws {
    let report = try Tool.succeed(
      "compress", "table.txt", "-o", "again.dpq", "--groups", "4", "--codes", "64", "--json", in: folder
    ).object
    let outcome = try Tool.succeed("eval", "model.dpq", "--against", "table.txt", "--json", in: folder)
    #expect(
      orderedKeys(outcome.output) == [
        "mse", "relative_error", "cosine_mean", "cosine_p1", "recall_at_10", "worst_rows",
      ])
    let measured = try outcome.object
    for key in ["mse", "relative_error", "cosine_mean"] {
      let a = try #require(report[key] as? Double)
      let b = try #require(measured[key] as? Double)
      #expect(abs(a - b) <= 1e-6 * abs(b))
    }
    let error = try #require(measured["relative_error"] as? Double)
    try Tool.succeed(
      "eval", "model.dpq", "--against", "table.txt", "--max-relative-error", "\(error * 1.01)", in: folder)
    let missed = try Tool.run(
      "eval", "model.dpq", "--against", "table.txt", "--max-relative-error", "\(error * 0.99)", "--json", in: folder)
    #expect(missed.status == 2)
    #expect(try missed.object.count == 6)
    #expect(missed.errors.count { $0 == "\n" } == 1)
  }

  @Test func evalOfATableAgainstItselfIsPerfect() throws {
    let same = try Tool.succeed("eval", "table.txt", "--against", "table.txt", "--json", in: folder).object
    #expect(same["mse"] as? Double == 0)
    #expect(same["recall_at_10"] as? Double == 1)
  }

  @Test func inspectAddsUp() throws {
    let report = try Tool.succeed("inspect", "model.dpq", "--json", in: folder).object
    let sections = try #require(report["sections"] as? [[String: Any]])
    let total = sections.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }
    #expect(try total == folder.read("model.dpq").count)
    #expect(report["file_bytes"] as? Int == total)
    let use = try #require(report["code_use"] as? [[String: Any]])
    #expect(use.count == 4)
    for group in use {
      let used = try #require(group["used"] as? Int)
      let perplexity = try #require(group["perplexity"] as? Double)
      #expect(used >= 1 && used <= 64)
      #expect(perplexity >= 1 && perplexity <= Double(used) + 1e-9)
    }
    let tiers = try #require(report["tiers"] as? [[String: Any]])
    #expect(tiers.count == 1 && tiers[0]["groups"] as? Int == 4)
    let text = try Tool.succeed("inspect", "model.dpq", in: folder).output
    #expect(text.contains("tier.0.codebook") && text.contains("perplexity"))
    #expect(try Tool.succeed("inspect", "table.txt", in: folder).output.contains("600 rows x 16"))
  }

  @Test func verifyIsContentUntilAByteFlips() throws {
    #expect(try Tool.succeed("verify", "model.dpq", in: folder).output.contains("intact"))
    #expect(try Tool.succeed("verify", "model.dpq", "--quiet", in: folder).output.isEmpty)
    let intact = try folder.read("model.dpq")
    // A prime step, so that every kind of section is hit.
    for offset in stride(from: 0, to: intact.count, by: 997) {
      var damaged = intact
      damaged[offset] ^= 0x10
      try folder.write(damaged, "damaged.dpq")
      try Tool.fail(65, "damaged.dpq", ["verify", "damaged.dpq"], in: folder)
    }
  }

  @Test func encodeOfTheSameRowsGivesTheSameCodes() throws {
    try Tool.succeed("encode", "table.txt", "--with", "model.dpq", "-o", "same.dpq", "--quiet", in: folder)
    try Tool.succeed("decode", "same.dpq", "-o", "same.npy", "--quiet", in: folder)
    try Tool.succeed("decode", "model.dpq", "-o", "model.npy", "--quiet", in: folder)
    #expect(try folder.read("same.npy") == folder.read("model.npy"))
  }

  @Test func shardsTogetherAreTheWhole() throws {
    var rows: [Float] = []
    for part in 1...7 {
      let report = try Tool.succeed(
        "encode", "table.txt", "--with", "model.dpq", "-o", "part.dpq", "--shard", "\(part)/7", "--force", "--json",
        in: folder
      ).object
      let count = try #require(report["rows"] as? Int)
      #expect(abs(count - 600 / 7) <= 1)
      try Tool.succeed("decode", "part.dpq", "-o", "part.fbin", "--force", "--quiet", in: folder)
      rows += try folder.read("part.fbin").floats(from: 8)
    }
    try Tool.succeed("decode", "model.dpq", "-o", "model.fbin", "--quiet", in: folder)
    #expect(try rows == folder.read("model.fbin").floats(from: 8))
  }

  @Test func appendedRowsFollowThoseOfTheModel() throws {
    let more = (0..<3).map { id in "new\(id) " + sample.row(id).map(\.description).joined(separator: " ") + "\n" }
    try folder.write(more.joined(), "more.txt")
    try Tool.succeed(
      "encode", "more.txt", "--with", "model.dpq", "-o", "longer.dpq", "--append", "--quiet", in: folder)
    let rows = try Tool.succeed("get", "longer.dpq", "word1", "new1", "--json", in: folder).objects
    #expect(rows.map { $0["id"] as? Int } == [1, 601])
    #expect(rows[0]["values"] as? [Double] == rows[1]["values"] as? [Double])
    try Tool.succeed("verify", "longer.dpq", in: folder)
  }

  @Test func standardInputIsATable() throws {
    let input = Data(sample.gloveText.utf8)
    try Tool.succeed(
      "compress", "-", "-o", "piped.dpq", "--groups", "4", "--codes", "64", "--quiet", in: folder, input: input)
    #expect(try folder.read("piped.dpq") == folder.read("model.dpq"))
    try Tool.succeed("convert", "-", "piped.npy", "--quiet", in: folder, input: input)
    try Tool.succeed("convert", "table.txt", "named.npy", "--quiet", in: folder)
    #expect(try folder.read("piped.npy") == folder.read("named.npy"))
  }
}
