import Foundation
import Testing

/// Bad input, bad arguments and bad places: one line, the right status, nothing left behind.
@Suite struct FailureTests {
  let folder: Folder
  let sample = Sample(rows: 300, dimension: 8)

  init() throws { folder = try Folder() }

  struct BadInput: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: Data
    let message: String
    var status: Int32 = 65
    var arguments: [String] = []
    var testDescription: String { name }
  }

  static let badInputs: [BadInput] = {
    let sample = Sample(rows: 300, dimension: 8)
    let npy = sample.npy
    let lines = sample.gloveText.split(separator: "\n").map(String.init)
    func text(_ line: Int, _ change: (String) -> String) -> Data {
      var lines = lines
      lines[line] = change(lines[line])
      return Data((lines.joined(separator: "\n") + "\n").utf8)
    }
    var notFinite = sample.values
    notFinite[17 * 8 + 3] = .nan
    var infinite = sample.values
    infinite[250 * 8] = .infinity
    let safetensors = Data(values: [UInt64(1) << 62]) + Data("{}".utf8)
    var list = [
      BadInput(name: "not a table", bytes: Data("#!/bin/sh\nexit 0\n".utf8), message: "input"),
      BadInput(
        name: "an image", bytes: Data([0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10] + Array(repeating: 0, count: 99)),
        message: "input"),
      BadInput(name: "nothing", bytes: Data(), message: "input"),
      BadInput(name: "NaN", bytes: Sample.npy(shape: "(300, 8)", values: notFinite), message: "row 17"),
      BadInput(name: "infinite", bytes: Sample.npy(shape: "(300, 8)", values: infinite), message: "row 250"),
      BadInput(name: "NaN in text", bytes: text(4) { $0.replacing(#/ [^ ]+$/#, with: " nan") }, message: "line 5"),
      BadInput(name: "ragged", bytes: text(9) { $0 + " 1.5" }, message: "line 10"),
      BadInput(name: "ragged, short", bytes: text(9) { $0.replacing(#/ [^ ]+$/#, with: "") }, message: "line 10"),
      BadInput(
        name: "duplicate word", bytes: text(20) { $0.replacing(#/^word20 /#, with: "word3 ") }, message: "word3"),
      BadInput(name: "no rows", bytes: Sample.npy(shape: "(0, 8)", values: []), message: "rows"),
      BadInput(name: "no columns", bytes: Sample.npy(shape: "(8, 0)", values: []), message: "input"),
      BadInput(name: "three axes", bytes: Sample.npy(shape: "(30, 10, 8)", values: sample.values), message: "input"),
      BadInput(
        name: "more rows than bytes", bytes: Sample.npy(shape: "(4611686018427387904, 8)", values: sample.values),
        message: "input"),
      BadInput(name: "huge header", bytes: safetensors, message: "input"),
      BadInput(
        name: "huge npy header", bytes: Data([0x93]) + Data("NUMPY".utf8) + Data([2, 0, 255, 255, 255, 255]),
        message: "input"),
      BadInput(
        name: "more codes than rows", bytes: npy, message: "300", status: 64, arguments: ["--codes", "512"]),
    ]
    for length in [1, 5, 6, 8, 9, 10, 11, 40, 127, 128, 129, npy.count - 33, npy.count - 1] {
      list.append(BadInput(name: "npy cut at \(length)", bytes: npy.prefix(length), message: "input"))
    }
    return list
  }()

  @Test(arguments: badInputs)
  func badInputIsOneLine(_ bad: BadInput) throws {
    try folder.write(bad.bytes, "input")
    try Tool.fail(bad.status, bad.message, ["compress", "input", "-o", "out.dpq"] + bad.arguments, in: folder)
  }

  @Test func optionsTellWhatToDoWithBadRows() throws {
    var values = sample.values
    values[17 * 8 + 3] = .nan
    try folder.write(Sample.npy(shape: "(300, 8)", values: values), "input.npy")
    try Tool.succeed("convert", "input.npy", "zero.fbin", "--non-finite", "zero", "--quiet", in: folder)
    #expect(try folder.read("zero.fbin").floats(from: 8)[17 * 8..<18 * 8].contains(0))
    try Tool.succeed("convert", "input.npy", "skip.fbin", "--non-finite", "skip", "--quiet", in: folder)
    #expect(try folder.read("skip.fbin").count == 8 + 4 * 299 * 8)

    try folder.write("a 1 2\nb 3 4\na 5 6\n", "twice.txt")
    try Tool.fail(65, "a", ["get", "twice.txt", "a"], in: folder)
    #expect(try Tool.succeed("get", "twice.txt", "a", "--duplicates", "first", in: folder).output == "a 1.0 2.0\n")
    #expect(try Tool.succeed("get", "twice.txt", "a", "--duplicates", "last", in: folder).output == "a 5.0 6.0\n")
  }

  @Test func missingInputsHaveTheirOwnStatus() throws {
    for arguments in [
      ["compress", "absent", "-o", "out.dpq"], ["get", "absent", "word"], ["neighbors", "absent", "word"],
      ["inspect", "absent"], ["verify", "absent"], ["decode", "absent", "-o", "out.npy"],
      ["convert", "absent", "out.npy"], ["eval", "absent", "--against", "absent"],
      ["encode", "absent", "--with", "absent", "-o", "out.dpq"],
    ] {
      try Tool.fail(66, "absent", arguments, in: folder)
    }
  }

  @Test func unknownWordsAreAllNamed() throws {
    try folder.write(sample.gloveText, "table.txt")
    try Tool.succeed("compress", "table.txt", "-o", "model.dpq", "--codes", "16", "--quiet", in: folder)
    for file in ["table.txt", "model.dpq"] {
      let outcome = try Tool.fail(65, "nowhere", ["get", file, "word1", "nowhere", "neither"], in: folder)
      #expect(outcome.errors.contains("neither") && !outcome.errors.contains("word1"))
      try Tool.fail(65, "nowhere", ["neighbors", file, "nowhere"], in: folder)
      try Tool.fail(65, "300", ["get", file, "--ids", "0,300"], in: folder)
      try Tool.fail(65, "300", ["neighbors", file, "--id", "300"], in: folder)
    }
    try folder.write(sample.npy, "table.npy")
    try Tool.fail(65, "no words", ["get", "table.npy", "word1"], in: folder)
  }

  @Test(arguments: [
    ["compress", "table.txt"], ["compress", "-o", "out.dpq"], ["compress", "table.txt", "-o", "out.dpq", "--no-such"],
    ["compress", "table.txt", "-o", "out.dpq", "--method", "magic"],
    ["compress", "table.txt", "-o", "out.dpq", "--ratio", "10", "--target-size", "1MB"],
    ["compress", "table.txt", "-o", "out.dpq", "--target-size", "much"],
    ["compress", "table.txt", "-o", "out.dpq", "--codes", "1"],
    ["compress", "table.txt", "-o", "out.dpq", "--codes", "65537"],
    ["compress", "table.txt", "-o", "out.dpq", "--groups", "0"],
    ["compress", "table.txt", "-o", "out.dpq", "--groups", "9"],
    ["compress", "table.txt", "-o", "out.dpq", "--groups", "7"],
    ["compress", "table.txt", "-o", "table.txt", "--force"],
    ["compress", "table.txt", "-o", "out.dpq", "--groups", "4", "--codes", "4", "--ratio", "1000"],
    ["compress", "table.txt", "-o", "out.dpq", "--codes", "64", "--sample", "63"],
    ["compress", "table.txt", "-o", "out.dpq", "--codes", "64", "--memory", "1kB"],
    ["compress", "table.txt", "-o", "-"], ["compress", "table.txt", "-o", "out.dpq", "--target-size", "10"],
    ["get", "table.txt"], ["get", "table.txt", "--ids", "1,x"], ["neighbors", "table.txt"],
    ["neighbors", "table.txt", "word1", "--id", "1"], ["neighbors", "table.txt", "word1", "-k", "0"],
    ["convert", "table.txt", "out.unknown"], ["eval", "table.txt"], ["nonsense"], ["verify"],
    ["encode", "table.txt", "--with", "table.txt", "-o", "out.dpq", "--shard", "3/2"],
  ])
  func wrongUseIs64(_ arguments: [String]) throws {
    try folder.write(sample.gloveText, "table.txt")
    try Tool.fail(64, "", arguments, in: folder)
  }

  @Test func errorsStayOneLineWhateverTheWord() throws {
    try folder.write(sample.gloveText, "table.txt")
    try Tool.fail(65, "'a\\nb\\x1b[0m'", ["get", "table.txt", "a\nb\u{1B}[0m"], in: folder)
    try Tool.fail(66, "no\\nfile", ["get", "no\nfile", "a"], in: folder)
  }

  @Test func dataErrorsNeverPrintUsage() throws {
    try folder.write("not a table\n", "input")
    let outcome = try Tool.run("compress", "input", "-o", "out.dpq", in: folder)
    #expect(!outcome.errors.lowercased().contains("usage") && !outcome.errors.contains("--help"))
  }

  @Test func existingOutputsNeedForceAndAreCheckedFirst() throws {
    try folder.write("precious", "out.dpq")
    // The input is bad, too: the output is looked at before it is read.
    try folder.write("not a table\n", "bad")
    try Tool.fail(73, "--force", ["compress", "bad", "-o", "out.dpq"], in: folder)
    try folder.write(sample.gloveText, "table.txt")
    try Tool.fail(73, "--force", ["compress", "table.txt", "-o", "out.dpq"], in: folder)
    try Tool.fail(65, "bad", ["compress", "bad", "-o", "out.dpq", "--force"], in: folder)
    #expect(try folder.read("out.dpq") == Data("precious".utf8))
    try Tool.succeed("compress", "table.txt", "-o", "out.dpq", "--codes", "16", "--force", "--quiet", in: folder)
    try Tool.succeed("verify", "out.dpq", in: folder)
    try Tool.fail(73, "out.npy", ["decode", "out.dpq", "-o", "no/such/folder/out.npy"], in: folder)
    try Tool.fail(73, "folder", ["decode", "out.dpq", "-o", ".", "--format", "npy"], in: folder)
    try folder.write("precious", "out.npy")
    try Tool.fail(73, "--force", ["decode", "out.dpq", "-o", "out.npy"], in: folder)
    try Tool.fail(73, "--force", ["convert", "table.txt", "out.npy"], in: folder)
    try Tool.fail(64, "input", ["convert", "table.txt", "./table.txt", "--force", "--format", "glove"], in: folder)
  }

  @Test func placesWhereNoFileCanStandAreRefusedFirst() throws {
    // The input is bad, too: the output is looked at before it is read.
    try folder.write("not a table\n", "bad")
    try Tool.fail(73, "name", ["compress", "bad", "-o", String(repeating: "x", count: 300)], in: folder)
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link.dpq").path, withDestinationPath: "absent.dpq")
    try Tool.fail(73, "link", ["compress", "bad", "-o", "link.dpq"], in: folder)
    try Tool.fail(73, "link", ["compress", "bad", "-o", "link.dpq", "--force"], in: folder)
  }

  @Test func theLimitOfFileSizesIsAnErrorOfWriting() throws {
    try folder.write(Sample(rows: 4000, dimension: 8).npy, "table.npy")
    let outcome = try Tool.limited("ulimit -f 8", "convert", "table.npy", "out.fbin", in: folder)
    #expect(outcome.status == 74, "\(outcome)")
    #expect(outcome.errors.hasPrefix("dpq: error: out.fbin: ") && outcome.errors.count { $0 == "\n" } == 1)
    #expect(!folder.exists("out.fbin"))
  }

  @Test func tablesTooLargeForFloat32NameTheRow() throws {
    var values = sample.values
    values[17 * 8 + 3] = 3e30
    try folder.write(Sample.npy(shape: "(300, 8)", values: values), "table.npy")
    for method in ["kmeans", "vq"] {
      try Tool.fail(
        65, "table.npy, row 17: ", ["compress", "table.npy", "-o", "out.dpq", "--codes", "16", "--method", method],
        in: folder)
    }
    // Alone each value is a float32, together their length is none.
    for i in 0..<8 { values[17 * 8 + i] = 3e38 }
    try folder.write(Sample.npy(shape: "(300, 8)", values: values), "table.npy")
    try Tool.fail(65, "row 17", ["compress", "table.npy", "-o", "out.dpq", "--metric", "cosine"], in: folder)
  }

  @Test func negativeNumbersAreNamed() throws {
    try folder.write(sample.gloveText, "table.txt")
    for option in ["--groups", "--codes", "--ratio", "--target-size", "--epochs", "--sample", "--seed", "--threads"] {
      let outcome = try Tool.fail(64, option, ["compress", "table.txt", "-o", "out.dpq", option, "-3"], in: folder)
      #expect(!outcome.errors.contains("missing"), "\(outcome.errors)")
    }
    try Tool.fail(64, "-1", ["get", "table.txt", "--ids", "-1"], in: folder)
  }

  @Test func commandsForCompressedTablesRefusePlainOnes() throws {
    try folder.write(sample.gloveText, "table.txt")
    try folder.write(sample.npy, "table.npy")
    for table in ["table.txt", "table.npy"] {
      try Tool.fail(65, table, ["verify", table], in: folder)
      try Tool.fail(65, table, ["decode", table, "-o", "out.npy"], in: folder)
      try Tool.fail(65, table, ["encode", "table.txt", "--with", table, "-o", "out.dpq"], in: folder)
    }
  }

  @Test func compressingACompressedTableIsRefused() throws {
    try folder.write(sample.gloveText, "table.txt")
    try Tool.succeed("compress", "table.txt", "-o", "model.dpq", "--codes", "16", "--quiet", in: folder)
    try Tool.fail(65, "decode", ["compress", "model.dpq", "-o", "twice.dpq"], in: folder)
  }

  @Test func damagedModelsFailEveryCommand() throws {
    try folder.write(sample.gloveText, "table.txt")
    try Tool.succeed("compress", "table.txt", "-o", "model.dpq", "--codes", "16", "--quiet", in: folder)
    let model = try folder.read("model.dpq")
    for length in [model.count - 1, model.count / 2, 700] {
      try folder.write(model.prefix(length), "cut.dpq")
      for arguments in [
        ["verify", "cut.dpq"], ["get", "cut.dpq", "word1"], ["inspect", "cut.dpq"], ["neighbors", "cut.dpq", "word1"],
        ["decode", "cut.dpq", "-o", "out.npy"], ["eval", "cut.dpq", "--against", "table.txt"],
      ] {
        try Tool.fail(65, "cut.dpq", arguments, in: folder)
      }
    }
  }
}
