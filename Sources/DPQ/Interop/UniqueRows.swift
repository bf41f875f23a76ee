/// The rows a batch uses, ascending and each once, and where each id of the batch stands among them.
package struct UniqueRows {
  /// The rows, ascending.
  package private(set) var ids: [Int32] = []
  /// For each id of the batch its index in ``ids``.
  package private(set) var places: [Int32] = []

  /// One bit a row, all zero between batches, and the number of bits set before each word.
  private var bits: [UInt64]
  private var before: [Int32]

  /// For a table of `rows` rows. Memory: 3/16 of a byte a row.
  package init(rows: Int) {
    bits = [UInt64](repeating: 0, count: (rows + 63) / 64)
    before = [Int32](repeating: 0, count: bits.count)
  }

  /// Takes the ids of a batch, all of them rows of the table. Complexity: O(batch + rows / 64).
  package mutating func load(_ batch: Span<Int32>) {
    ids.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    places.reserveCapacity(batch.count)
    batch.withUnsafeBufferPointer { batch in
      bits.withUnsafeMutableBufferPointer { bits in
        before.withUnsafeMutableBufferPointer { before in
          for id in batch { bits[Int(id) / 64] |= 1 << UInt64(id % 64) }
          for word in bits.indices where bits[word] != 0 {
            before[word] = Int32(ids.count)
            var rest = bits[word]
            while rest != 0 {
              ids.append(Int32(word * 64 + rest.trailingZeroBitCount))
              rest &= rest - 1
            }
          }
          for id in batch {
            let below = bits[Int(id) / 64] & ((1 << UInt64(id % 64)) - 1)
            places.append(before[Int(id) / 64] + Int32(below.nonzeroBitCount))
          }
          for id in batch { bits[Int(id) / 64] = 0 }
        }
      }
    }
  }
}
