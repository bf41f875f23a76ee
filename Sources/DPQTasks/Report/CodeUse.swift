#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How evenly the codes of one group are used.
package struct CodeUse {
  /// Codes that some row has.
  package let used: Int
  /// 2 to the entropy of the codes in bits: as many equally frequent codes would tell as much.
  package let perplexity: Double

  /// From the number of rows with each code.
  package init(counts: [Int]) {
    let total = Double(counts.reduce(0, +))
    used = counts.count { $0 > 0 }
    perplexity = exp(counts.reduce(0.0) { $1 > 0 ? $0 - Double($1) / total * log(Double($1) / total) : $0 })
  }

  /// The picture of the use of all codes, from the counts of ``CompressedTable/codeUse()``.
  package static func heatMap(_ counts: [[Int]]) -> HeatMap {
    HeatMap(
      title: "Use of the codes by group", xLabel: "code", yLabel: "group", valueLabel: "share of even use",
      values: counts.map { group in
        let even = Double(group.reduce(0, +)) / Double(max(group.count, 1))
        return group.map { even > 0 ? Double($0) / even : 0 }
      })
  }

  /// The picture of how many codes each group uses, and how evenly.
  package static func evenness(_ use: [CodeUse]) -> LineChart {
    func points(_ value: (CodeUse) -> Double) -> [(x: Double, y: Double)] {
      use.enumerated().map { (Double($0.offset), value($0.element)) }
    }
    return LineChart(
      title: "Codes in use by group", xLabel: "group", yLabel: "codes",
      series: [
        .init("in use", points { Double($0.used) }, hasDots: true),
        .init("perplexity", points(\.perplexity), hasDots: true),
      ])
  }
}
