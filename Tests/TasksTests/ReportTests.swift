import Foundation
import Testing

@testable import DPQTasks

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Pictures and reports.
@Suite struct ReportTests {
  /// Whether `text` is well-formed XML, and its text nodes.
  final class Reader: NSObject, XMLParserDelegate {
    var names: [String] = []
    var texts: [String] = []

    static func read(_ text: String) -> Reader? {
      let reader = Reader()
      let parser = XMLParser(data: Data(text.utf8))
      parser.delegate = reader
      guard parser.parse() else { return nil }
      reader.texts = reader.texts.map { String($0.dropLast($0.hasSuffix("\n") ? 1 : 0)) }
      return reader
    }

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      names.append(name)
      texts.append("")
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { texts[texts.count - 1] += text }
  }

  @Test func chartsAreWellFormedAndTheirTextIsEscaped() throws {
    var chart = LineChart(
      title: "a < b & \"c\"\u{1B}", xLabel: "step", yLabel: "loss",
      series: [
        .init("train <1>", [(0, 5), (1, .nan), (2, 3), (3, .infinity)]), .init("dev", [(2, 4)], hasDots: true),
        .init("empty", []),
      ])
    chart.mark = (2, "best & last")
    for isLogarithmic in [false, true] {
      chart.isYLogarithmic = isLogarithmic
      let reader = try #require(Reader.read(chart.svg))
      #expect(reader.texts.contains { $0.contains("a < b & \"c\" ") })
      #expect(reader.texts.contains("train <1>"))
      #expect(reader.texts.contains("best & last"))
      #expect(reader.names.contains("polyline"))
      #expect(!chart.svg.contains("nan") && !chart.svg.contains("inf"))
    }
  }

  @Test func constantAndEmptySeriesAreDrawn() throws {
    for points in [[], [(x: 1.0, y: 2.0)], [(x: 1, y: 0), (x: 2, y: 0)]] {
      let chart = LineChart(title: "t", xLabel: "x", yLabel: "y", series: [.init("s", points)])
      #expect(Reader.read(chart.svg) != nil)
    }
  }

  @Test func ticksAreRoundAndInTheRange() {
    let axis = ChartAxis(showing: [0, 5000])
    #expect(axis.ticks == [0, 1000, 2000, 3000, 4000, 5000])
    #expect(axis.label(1000) == "1000")
    #expect(ChartAxis(showing: [0.3, 0.92]).label(0.4) == "0.4")
    let wide = ChartAxis(showing: [1, 1000], isLogarithmic: true)
    #expect(wide.ticks.first == 1 && wide.ticks.contains(200))
    #expect(abs((wide.position(10) ?? 0) - 1.0 / 3) < 1e-12)
    #expect(wide.position(0) == nil)
    #expect(ChartAxis(showing: [-3, -3]).position(-3) != nil)
  }

  @Test func heatMapsOfAnySizeStaySmall() throws {
    let small = HeatMap(title: "t", xLabel: "x", yLabel: "y", valueLabel: "v", values: [[0, 1], [2, 3]])
    let reader = try #require(Reader.read(small.svg))
    // Four shades of four cells.
    #expect(reader.names.count { $0 == "path" } == 4)
    let counts = (0..<300).map { group in (0..<5000).map { code in (group * 31 + code * 17) % 97 } }
    let large = CodeUse.heatMap(counts).svg
    #expect(Reader.read(large) != nil)
    #expect(large.utf8.count < 3_000_000)
    #expect(Reader.read(CodeUse.heatMap([]).svg) != nil)
  }

  @Test func evenUseHasFullPerplexity() {
    #expect(abs(CodeUse(counts: [5, 5, 5, 5]).perplexity - 4) < 1e-12)
    let skewed = CodeUse(counts: [10, 0, 0, 0])
    #expect(skewed.used == 1 && skewed.perplexity == 1)
  }

  @Test func reportsHaveTheKeysInOrder() throws {
    var report = TaskReport(
      task: "classify", data: "f", embedding: "sx", metric: "accuracy", valid: 0.5, test: nil, ratio: 20,
      paperRatio: 21, embeddingBytes: 10, tableBytes: 200, seconds: 1, tokensPerSecond: 2, seed: .max)
    report.groups = 4
    report.details = [("steps", .integer(3))]
    let text = report.json.text
    let keys = [
      "task", "data", "embedding", "groups", "codes", "shared", "metric", "valid", "test", "ratio", "ratio_paper",
      "embedding_bytes", "table_bytes", "seconds", "tokens_per_second", "seed", "steps",
    ]
    var rest = text[...]
    for key in keys {
      let found = try #require(rest.range(of: "\"\(key)\": "))
      rest = rest[found.upperBound...]
    }
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["codes"] is NSNull && object["groups"] as? Int == 4)
  }
}
