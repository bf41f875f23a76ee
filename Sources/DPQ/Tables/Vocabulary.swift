/// The words of a table: row i is called `words[i]`.
///
/// Words are kept as one run of UTF-8 bytes with offsets, so a million words cost two arrays and not a million strings.
public struct Vocabulary: Sendable, Equatable {
  /// UTF-8 bytes of all words, one after another, no terminators.
  let bytes: [UInt8]
  /// Where each word starts in `bytes`, and at the end where the last one stops: `count + 1` values.
  let offsets: [UInt64]
  /// Row ids sorted by the bytes of their word (ties by id): what find searches.
  let order: [UInt64]

  /// Makes a vocabulary of already cut words.
  ///
  /// Complexity: O(n log n) in the number of words.
  init(bytes: [UInt8], offsets: [UInt64]) {
    self.bytes = bytes
    self.offsets = offsets
    self.order = Self.sortedOrder(bytes: bytes, offsets: offsets)
  }

  /// Makes a vocabulary of `words`, in row order. Duplicates are allowed here; readers refuse them by default.
  public init(_ words: some Sequence<String>) {
    var bytes: [UInt8] = []
    var offsets: [UInt64] = [0]
    for word in words {
      bytes.append(contentsOf: word.utf8)
      offsets.append(UInt64(bytes.count))
    }
    self.init(bytes: bytes, offsets: offsets)
  }

  /// Number of words.
  public var count: Int { offsets.count - 1 }

  /// Word of row `id`; bytes that are not UTF-8 are repaired.
  public subscript(id: Int) -> String {
    String(decoding: bytes[Int(offsets[id])..<Int(offsets[id + 1])], as: UTF8.self)
  }

  /// Row of `word`, the lowest where it stands twice, or `nil`. Complexity: O(log n).
  public func id(of word: String) -> Int? {
    var word = word
    return word.withUTF8 { key in
      bytes.withUnsafeBufferPointer { bytes in
        var low = 0
        var high = count
        while low < high {
          let middle = (low + high) / 2
          if Self.compare(bytes, offsets, Int(order[middle]), key) < 0 { low = middle + 1 } else { high = middle }
        }
        guard low < count, Self.compare(bytes, offsets, Int(order[low]), key) == 0 else { return nil }
        return Int(order[low])
      }
    }
  }

  /// The first two rows that share a word, or `nil`; the pair whose second row is lowest.
  public func firstDuplicate() -> (first: Int, second: Int)? {
    bytes.withUnsafeBufferPointer { bytes in
      var found: (first: Int, second: Int)?
      for i in 1..<max(order.count, 1) {
        let a = Int(order[i - 1])
        let b = Int(order[i])
        let word = UnsafeBufferPointer(rebasing: bytes[Int(offsets[b])..<Int(offsets[b + 1])])
        if Self.compare(bytes, offsets, a, word) == 0, b < (found?.second ?? .max) { found = (a, b) }
      }
      return found
    }
  }

  private static func compare(
    _ bytes: UnsafeBufferPointer<UInt8>, _ offsets: [UInt64], _ id: Int, _ key: UnsafeBufferPointer<UInt8>
  ) -> Int {
    let start = Int(offsets[id])
    let length = Int(offsets[id + 1]) - start
    for i in 0..<min(length, key.count) where bytes[start + i] != key[i] {
      return bytes[start + i] < key[i] ? -1 : 1
    }
    return length - key.count
  }

  private static func sortedOrder(bytes: [UInt8], offsets: [UInt64]) -> [UInt64] {
    let count = offsets.count - 1
    return bytes.withUnsafeBufferPointer { bytes in
      (0..<UInt64(count)).sorted { a, b in
        let start = Int(offsets[Int(b)])
        let word = UnsafeBufferPointer(rebasing: bytes[start..<Int(offsets[Int(b) + 1])])
        let order = compare(bytes, offsets, Int(a), word)
        return order == 0 ? a < b : order < 0
      }
    }
  }
}
