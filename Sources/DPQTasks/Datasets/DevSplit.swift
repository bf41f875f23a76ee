import DPQ

/// A seeded choice of the examples that are set apart from the training data where no others are given.
struct DevSplit {
  /// Examples to train on, ascending.
  let train: [Int]
  /// Examples set apart, ascending; at least one, and two fewer than there are at most.
  let dev: [Int]

  /// Sets `share` of `count` examples apart.
  init(count: Int, share: Double, seed: UInt64) {
    var generator = SeededGenerator(seed: seed, stream: 1 << 40)
    let order = generator.permutation(count)
    let size = min(max(1, Int(share * Double(count))), count - 2)
    dev = order[..<size].sorted()
    train = order[size...].sorted()
  }
}
