/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same everywhere for a seed.
///
/// Each piece of work takes a stream of its own, so results do not depend on the order or the threads it runs in.
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// The stream `stream` of `seed`; different streams are unrelated.
  package init(seed: UInt64, stream: UInt64 = 0) {
    state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mix(Self.mix(stream) &+ 0xD1B5_4A32_D192_ED03)
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  /// A number in [0, 1).
  package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A number in 0..<bound (its bias, bound / 2⁶⁴, is far below anything that shows).
  package mutating func index(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension SeededGenerator {
  /// `count` different numbers of 0..<bound in ascending order, one from each of `count` equal stretches.
  package mutating func evenSample(_ count: Int, below bound: Int) -> [Int] {
    precondition(count <= bound)
    return (0..<count).map { i in
      let low = Self.share(i, of: bound, parts: count)
      return low + index(below: Self.share(i + 1, of: bound, parts: count) - low)
    }
  }

  /// The numbers of 0..<count in random order (Fisher and Yates).
  package mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, index(below: i + 1)) }
    return order
  }

  /// ⌊i · bound / parts⌋ without overflow.
  private static func share(_ i: Int, of bound: Int, parts: Int) -> Int {
    let product = UInt64(i).multipliedFullWidth(by: UInt64(bound))
    return Int(UInt64(parts).dividingFullWidth(product).quotient)
  }
}
