import DPQ
import DPQTasks
import Foundation
import Testing

@testable import DPQTool

/// The small things the reports are made of.
@Suite struct FormatTests {
  @Test(arguments: [
    ("25MB", 25_000_000), ("400kB", 400_000), ("1.5GB", 1_500_000_000), ("4GB", 4_000_000_000), ("512KiB", 524_288),
    ("2MiB", 2_097_152), ("1GiB", 1_073_741_824), ("4096", 4096), ("4096B", 4096), ("2 MB", 2_000_000), ("3k", 3000),
    ("0.5mb", 500_000),
  ])
  func sizesAreReadInBytes(_ text: String, _ bytes: Int) {
    #expect(ByteSize(argument: text)?.bytes == bytes)
  }

  @Test(arguments: ["", "MB", "-1MB", "1e3", "inf", "nan", "12XB", "0", "0.1", "1.2.3MB", "0x10", "99999999999TB"])
  func whatIsNoSizeIsRefused(_ text: String) {
    #expect(ByteSize(argument: text) == nil)
  }

  @Test func jsonEscapesAndKeepsTheOrder() throws {
    let value = JSON.object([
      ("z", .string("a\"b\\c\n\u{1}é\u{1F600}/")), ("a", .array([.double(0.1), .double(1e-300), .double(.nan)])),
      ("m", .object([("f", .float(0.1)), ("i", .integer(-3)), ("u", .unsigned(.max)), ("n", .null)])),
      ("b", .bool(true)),
    ])
    #expect(
      value.text
        == #"{"z": "a\"b\\c\n\u0001é😀/", "a": [0.1, 1e-300, null], "#
        + #""m": {"f": 0.1, "i": -3, "u": 18446744073709551615, "n": null}, "b": true}"#)
    let read = try #require(JSONSerialization.jsonObject(with: Data(value.text.utf8)) as? [String: Any])
    #expect(read["z"] as? String == "a\"b\\c\n\u{1}é\u{1F600}/")
  }

  @Test func jsonNumbersReadBackExactly() throws {
    for value in [1.0 / 3, .pi * 1e200, .leastNonzeroMagnitude, -.greatestFiniteMagnitude, 123_456_789] {
      #expect(Double(JSON.double(value).text) == value)
    }
    #expect(Float(JSON.float(.pi).text) == .pi)
  }

  @Test func numbersAreShort() {
    #expect(Format.fixed(3.14159, 2) == "3.14")
    #expect(Format.fixed(-0.001, 2) == "0.00")
    #expect(Format.fixed(1.999, 2) == "2.00")
    #expect(Format.fixed(7.05, 3) == "7.050")
    #expect(Format.fixed(.infinity, 2) == "inf")
    #expect(Format.significant(0.0012345, 3) == "0.00123")
    #expect(Format.significant(123_456, 3) == "123456")
    #expect(Format.significant(1.5e-9, 3) == "1.50e-9")
    #expect(Format.grouped(1_234_567) == "1 234 567")
    #expect(Format.grouped(-999) == "-999")
    #expect(Format.clock(3_723) == "1:02:03")
    #expect(Format.clock(67.4) == "1:07")
    #expect(ByteSize.text(16_384_096) == "16.4 MB")
    #expect(ByteSize.text(999) == "999 bytes")
  }

  @Test func wordsCannotBreakALineOrATerminal() {
    #expect(Format.printable("naïve ▁x") == "naïve ▁x")
    #expect(Format.printable("a\nb\t\u{1B}[31m") == "a\\nb\\t\\x1b[31m")
  }

  @Test func shardsCoverTheTableOnce() throws {
    for rows in [0, 1, 6, 7, 100] {
      let ranges = try (1...7).map { try #require(EncodeCommand.Shard(argument: "\($0)/7")).range(of: rows) }
      #expect(ranges.flatMap { Array($0) } == Array(0..<rows))
    }
    for text in ["0/7", "8/7", "1", "1/0", "a/b", "1/2/3", "-1/3"] {
      #expect(EncodeCommand.Shard(argument: text) == nil)
    }
  }

  @Test func everyKindOfErrorHasItsStatus() {
    #expect(ExitStatus(.invalidArgument) == .usage)
    #expect(ExitStatus(.inputNotFound) == .noInput)
    #expect(ExitStatus(.unknownRow) == .badData)
    #expect(ExitStatus(.checksumMismatch) == .badData)
    #expect(ExitStatus(.cannotCreateOutput) == .cannotCreate)
    #expect(ExitStatus(.inputOutput) == .inputOutput)
    #expect(ExitStatus(.cancelled) == .interrupted)
    #expect(ExitStatus(.outOfMemory) == .failure)
  }
}
