import Foundation
import Testing

@testable import DPQ

/// Tables made from a seed, and what tests compute from them in float64.
enum Made {
  /// Rows around `clusters` centres, with noise a third as wide.
  static func table(
    rows: Int, dimension: Int, clusters: Int = 12, offset: Float = 0, seed: UInt64 = 7, words: Bool = false
  ) throws -> EmbeddingTable {
    var generator = DPQ.SeededGenerator(seed: seed)
    func normal() -> Float { Float((0..<12).reduce(-6.0) { sum, _ in sum + generator.uniform() }) }
    let centres = (0..<(clusters * dimension)).map { _ in normal() }
    var values: [Float] = []
    for _ in 0..<rows {
      let centre = generator.index(below: clusters)
      for c in 0..<dimension { values.append(centres[centre * dimension + c] + normal() / 3 + offset) }
    }
    let vocabulary = words ? Vocabulary((0..<rows).map { "word\($0)" }) : nil
    return try EmbeddingTable(rows: rows, dimension: dimension, values: values.span, vocabulary: vocabulary)
  }

  static func table(_ rows: [[Float]]) throws -> EmbeddingTable {
    let values = rows.flatMap { $0 }
    return try EmbeddingTable(rows: rows.count, dimension: rows[0].count, values: values.span)
  }

  static func options(_ change: (inout CompressionOptions) -> Void) -> CompressionOptions {
    var options = CompressionOptions()
    options.threads = 2
    change(&options)
    return options
  }
}

/// A file name in the temporary folder that is removed when the value goes away.
final class TemporaryPath {
  let path: String
  init(_ name: String) {
    path = FileManager.default.temporaryDirectory.path + "/dpq-\(UUID().uuidString)-\(name)"
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension CompressedModel {
  /// The layout, codes and codebook of a model of one `concat` tier.
  var layout: CodeLayout { tiers[0].layout.concat! }
  var codes: [UInt8] { tiers[0].codes }
  var codebook: Codebook {
    guard case .concat(let codebook) = tiers[0].codewords else { preconditionFailure("a binary tier") }
    return codebook
  }

  /// Code of row `i` in group `j`.
  func code(_ i: Int, _ j: Int) -> Int {
    var code = 0
    for bit in 0..<layout.bits {
      let place = j * layout.bits + bit
      code |= Int(codes[i * layout.rowBytes + place / 8] >> (place % 8) & 1) << bit
    }
    return code
  }

  /// Squared distance in float64 between codeword `k` and the values of group `j` of a row.
  func distance(_ row: [Float], _ j: Int, _ k: Int) -> Double {
    let base = ((layout.isShared ? 0 : j) * layout.codes + k) * layout.width
    var sum = 0.0
    for c in 0..<min(layout.width, layout.dimension - j * layout.width) {
      let difference = Double(row[j * layout.width + c]) - Double(codebook.values[base + c])
      sum += difference * difference
    }
    return sum
  }
}

extension CompressionPlan {
  /// The layout of a plan of one `concat` tier.
  var layout: CodeLayout { tiers[0].layout.concat! }
}

extension CompressedTable {
  /// The layout of a table of one `concat` tier.
  var layout: CodeLayout { tiers[0].layout.concat! }
}
