import DPQ

/// Batches of sequences of about the same length, so that little is filled up.
enum LengthBatches {
  /// Cuts all sequences into batches of `size` in a random order.
  ///
  /// - Parameters:
  ///   - lengths: Length of each sequence.
  ///   - generator: What the order comes from.
  static func shuffled(_ lengths: [Int], size: Int, generator: inout SeededGenerator) -> [[Int]] {
    let order = generator.permutation(lengths.count)
    var batches: [[Int]] = []
    // Sorted within a stretch of many batches, not altogether: other neighbours in every epoch.
    for first in stride(from: 0, to: order.count, by: size * 32) {
      batches += cut(order[first..<min(order.count, first + size * 32)], lengths, size: size)
    }
    return generator.permutation(batches.count).map { batches[$0] }
  }

  /// Cuts all sequences into batches of `size`, short ones first.
  static func sorted(_ lengths: [Int], size: Int) -> [[Int]] { cut(lengths.indices, lengths, size: size) }

  private static func cut(_ indices: some Sequence<Int>, _ lengths: [Int], size: Int) -> [[Int]] {
    let sorted = indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    return stride(from: 0, to: sorted.count, by: size).map { Array(sorted[$0..<min(sorted.count, $0 + size)]) }
  }
}
