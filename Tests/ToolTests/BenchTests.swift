import DPQ
import Foundation
import Testing

/// `dpq bench`: what it computes is right, and it says what it ran.
@Suite struct BenchTests {
  let folder: Folder

  init() throws { folder = try Folder() }

  static let commonKeys = [
    "seconds", "seconds_all", "rows_per_second", "gflops", "gbytes_per_second", "isa", "threads", "kernel", "rows",
    "dimension", "groups", "codes", "shared", "processor_seconds_all",
  ]

  /// The shape and the elements of an `.npy` file, as whole numbers.
  private func codes(_ name: String, bytes: Int) throws -> (header: String, values: [Int]) {
    let data = try folder.read(name)
    let length = Int(data[8]) | Int(data[9]) << 8
    let values = [UInt8](data[(10 + length)...])
    return (
      String(decoding: data[10..<(10 + length)], as: UTF8.self),
      stride(from: 0, to: values.count, by: bytes).map {
        bytes == 1 ? Int(values[$0]) : Int(values[$0]) | Int(values[$0 + 1]) << 8
      }
    )
  }

  /// The nearest codeword in float64, ties to the lowest. `codebook` is `[groups or 1][codes][width]`.
  private func nearest(_ sample: Sample, _ codebook: Sample, groups: Int, codes: Int, isShared: Bool = false) -> [Int] {
    let width = (sample.dimension + groups - 1) / groups
    return (0..<sample.rows).flatMap { id in
      (0..<groups).map { group in
        let first = group * width
        let distances = (0..<codes).map { code in
          (0..<min(width, sample.dimension - first)).reduce(0.0) { sum, c in
            let x = Double(sample.row(id)[id * sample.dimension + first + c])
            let y = Double(codebook.values[((isShared ? 0 : group * codes) + code) * width + c])
            return sum + (x - y) * (x - y)
          }
        }
        return distances.firstIndex(of: distances.min()!)!
      }
    }
  }

  @Test(arguments: [("--exact", 1), ("--exact", 2), ("--quiet", 1)])
  func assignGivesTheNearestCodes(_ option: String, _ threads: Int) throws {
    let rows = Sample(rows: 300, dimension: 18)
    let codewords = Sample(rows: 6 * 20, dimension: 3, seed: 9)
    try folder.write(rows.npy, "rows.npy")
    try folder.write(Sample.npy(shape: "(6, 20, 3)", values: codewords.values), "codebook.npy")
    let report = try Tool.succeed(
      "bench", "assign", "--input", "rows.npy", "--codebook", "codebook.npy", "--codes-out", "codes.npy", "--repeat",
      "3",
      "--threads", "\(threads)", "--json", option, in: folder)
    #expect(orderedKeys(report.output) == Self.commonKeys + ["exact"])
    let object = try report.object
    #expect(object["threads"] as? Int == Runtime.threadCount(threads))
    #expect(Runtime.availableInstructionSets.contains(try #require(object["isa"] as? String)))
    let all = try #require(object["seconds_all"] as? [Double])
    #expect(all.count == 3 && all.allSatisfy { $0 > 0 } && all.sorted()[1] == object["seconds"] as? Double)
    #expect((object["processor_seconds_all"] as? [Double])?.count == 3)
    #expect(object["rows"] as? Int == 300)
    let (header, values) = try codes("codes.npy", bytes: 1)
    #expect(header.contains("'|u1'") && header.contains("(300, 6)"))
    // The sample has no near ties, so that both modes give the same.
    #expect(values == nearest(rows, codewords, groups: 6, codes: 20))
  }

  @Test func wideCodesAndOneCodebookForAllGroups() throws {
    let rows = Sample(rows: 200, dimension: 8)
    let codewords = Sample(rows: 300, dimension: 4, seed: 9)
    try folder.write(rows.npy, "rows.npy")
    try folder.write(Sample.npy(shape: "(1, 300, 4)", values: codewords.values), "codebook.npy")
    let report = try Tool.succeed(
      "bench", "assign", "--input", "rows.npy", "--codebook", "codebook.npy", "--groups", "2", "--codes-out",
      "codes.npy",
      "--exact", "--repeat", "1", "--json", in: folder
    ).object
    #expect(report["shared"] as? Bool == true)
    let (header, values) = try codes("codes.npy", bytes: 2)
    #expect(header.contains("'<u2'") && header.contains("(200, 2)"))
    #expect(values == nearest(rows, codewords, groups: 2, codes: 300, isShared: true))
    // The layer's step finds the same codes with vq.
    try Tool.succeed(
      "bench", "train", "--variant", "vq", "--input", "rows.npy", "--codebook", "codebook.npy", "--groups", "2",
      "--codes-out", "step.npy", "--batch", "64", "--repeat", "1", "--quiet", in: folder)
    #expect(try codes("step.npy", bytes: 2).values == Array(values[..<128]))
  }

  @Test func reconstructGivesTheCodewords() throws {
    let rows = Sample(rows: 100, dimension: 7)
    let codewords = Sample(rows: 2 * 5, dimension: 4, seed: 9)
    try folder.write(rows.npy, "rows.npy")
    try folder.write(Sample.npy(shape: "(2, 5, 4)", values: codewords.values), "codebook.npy")
    let report = try Tool.succeed(
      "bench", "reconstruct", "--input", "rows.npy", "--codebook", "codebook.npy", "--rows-out", "out.npy", "--json",
      in: folder)
    #expect(orderedKeys(report.output) == Self.commonKeys)
    #expect(try report.object["gflops"] is NSNull)
    let codes = nearest(rows, codewords, groups: 2, codes: 5)
    let data = try folder.read("out.npy")
    let rebuilt = data.floats(from: 10 + Int(data[8]) | Int(data[9]) << 8)
    for id in 0..<100 {
      let expected = codewords.row(codes[2 * id]) + codewords.row(5 + codes[2 * id + 1]).prefix(3)
      #expect(Array(rebuilt[(7 * id)..<(7 * id + 7)]) == Array(expected))
    }
  }

  @Test func kmeansImprovesWhatItStartsFromAndDoesNotDependOnThreads() throws {
    let rows = Sample(rows: 500, dimension: 12)
    try folder.write(rows.npy, "rows.npy")
    var errors: [Double] = []
    for (name, sweeps, threads) in [("a", "1", "1"), ("b", "12", "1"), ("c", "12", "2")] {
      let report = try Tool.succeed(
        "bench", "kmeans", "--input", "rows.npy", "--groups", "4", "--codes", "16", "--epochs", sweeps, "--threads",
        threads, "--codebook-out", "\(name).npy", "--repeat", "1", "--json", in: folder)
      #expect(orderedKeys(report.output) == Self.commonKeys + ["epochs", "mse"])
      errors.append(try #require(report.object["mse"] as? Double))
    }
    #expect(errors[1] < errors[0] && errors[1] == errors[2])
    #expect(try folder.read("b.npy") == folder.read("c.npy"))
    // Written codewords can be given again.
    let report = try Tool.succeed(
      "bench", "kmeans", "--input", "rows.npy", "--codebook", "b.npy", "--epochs", "1", "--repeat", "1", "--json",
      in: folder
    ).object
    #expect(try #require(report["mse"] as? Double) <= errors[1] * (1 + 1e-6))
  }

  @Test(arguments: [1, 2]) func lookupGivesTheRowsOfTheTable(_ threads: Int) throws {
    try folder.write(Sample().npy, "rows.npy")
    try Tool.succeed("compress", "rows.npy", "-o", "t.dpq", "--epochs", "2", "--quiet", in: folder)
    try Tool.succeed("decode", "t.dpq", "-o", "decoded.npy", "--quiet", in: folder)
    let ids = (0..<1000).map { Int64($0 * 7 % 600) }
    var list = Sample.npy(shape: "(1000,)", values: [])
    list.replaceSubrange(list.range(of: Data("<f4".utf8))!, with: Data("<i8".utf8))
    try folder.write(list + Data(values: ids), "ids.npy")
    let report = try Tool.succeed(
      "bench", "lookup", "--input", "t.dpq", "--ids", "ids.npy", "--batch", "96", "--threads", "\(threads)",
      "--rows-out",
      "out.npy", "--json", in: folder)
    #expect(orderedKeys(report.output) == Self.commonKeys + ["batch", "table_rows"])
    let table = try folder.read("decoded.npy").floats(from: 128)
    let rows = try folder.read("out.npy").floats(from: 128)
    #expect(rows == ids.flatMap { table[(16 * Int($0))..<(16 * Int($0) + 16)] })
    let made = try Tool.succeed(
      "bench", "lookup", "--rows", "50", "--dimension", "10", "--groups", "3", "--codes", "9", "--count", "500",
      "--json",
      in: folder
    ).object
    #expect(made["rows"] as? Int == 500 && made["table_rows"] as? Int == 50)
  }

  @Test func madeDataAreTheSameForASeed() throws {
    for (name, seed) in [("a", "3"), ("b", "3"), ("c", "4")] {
      try Tool.succeed(
        "bench", "assign", "--rows", "100", "--dimension", "9", "--groups", "3", "--codes", "17", "--seed", seed,
        "--codes-out", "\(name).npy", "--repeat", "1", "--quiet", in: folder)
    }
    #expect(try folder.read("a.npy") == folder.read("b.npy"))
    #expect(try folder.read("a.npy") != folder.read("c.npy"))
  }

  @Test func theNamedLevelRuns() throws {
    for level in Runtime.availableInstructionSets {
      let outcome = try Tool.run(
        "bench", "assign", "--rows", "64", "--repeat", "1", "--json", in: folder, environment: ["DPQ_ISA": level])
      #expect(try outcome.object["isa"] as? String == level)
    }
  }

  @Test func whatCannotBeIsRefused() throws {
    try folder.write(Sample().npy, "rows.npy")
    try folder.write(Sample.npy(shape: "(4, 5, 3)", values: Sample(rows: 20, dimension: 3).values), "codebook.npy")
    try folder.write(Sample.npy(shape: "(4, 5, 3)", values: [1, 2]), "short.npy")
    try folder.write(Data("x".utf8), "codes.npy")
    let given = ["bench", "assign", "--input", "rows.npy", "--codebook"]
    try Tool.fail(65, "do not fit", given + ["codebook.npy"], in: folder)
    try Tool.fail(65, "ends before", given + ["short.npy"], in: folder)
    try Tool.fail(65, "3 axes", given + ["rows.npy"], in: folder)
    try Tool.fail(65, "no npy file", given + ["codes.npy"], in: folder)
    try Tool.fail(66, "", given + ["missing.npy"], in: folder)
    try Tool.fail(64, "--rows", ["bench", "assign", "--input", "rows.npy", "--rows", "5"], in: folder)
    try Tool.fail(64, "--repeat", ["bench", "train", "--repeat", "0"], in: folder)
    try Tool.fail(64, "--batch", ["bench", "lookup", "--batch", "0"], in: folder)
    try Tool.fail(73, "exists", ["bench", "assign", "--rows", "5", "--codes-out", "codes.npy"], in: folder)
  }
}
