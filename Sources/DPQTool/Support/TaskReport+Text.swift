import DPQ
import DPQTasks

extension TaskReport {
  /// The report for people: perplexities as they are, shares in per cent.
  func text(threads: Int, output: String?) -> String {
    var embedding = embedding
    if let groups, let codes {
      embedding += ", \(groups) groups x \(codes) codes" + (isShared ? ", one shared codebook" : "")
    }
    func score(_ value: Double) -> String {
      metric == "perplexity" ? Format.fixed(value, 2) : Format.fixed(100 * value, 2) + " %"
    }
    let sizes = [embeddingBytes, tableBytes].map { ByteSize.text($0) }
    let ratios = [ratio, paperRatio].map { Format.fixed($0, 1) }
    var pairs = [
      ("data", data), ("embedding", embedding),
      (metric, "test \(score(test ?? .nan)), \(metric == "perplexity" ? "valid" : "dev") \(score(valid))"),
      ("size", "\(sizes[0]) of \(sizes[1]), ratio \(ratios[0]) (as papers count: \(ratios[1]))"),
      (
        "time",
        "\(Format.seconds(seconds)), \(Format.grouped(Int(tokensPerSecond))) words/s, "
          + "\(Format.threads(Runtime.threadCount(threads))), \(Runtime.instructionSet)"
      ),
    ]
    if let output { pairs.append(("written", output)) }
    return Format.pairs(pairs) + (look.map { "\n" + $0.text } ?? "")
  }
}
