/// The words of a table: row i is called `self[i]`.
///
/// Words are kept as one run of UTF-8 bytes with offsets, so a million words cost three arrays and not a million
/// strings.
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
    self.init(bytes: bytes, offsets: offsets, order: Self.sortedOrder(bytes, offsets))
  }

  /// Makes a vocabulary whose order is known.
  init(bytes: [UInt8], offsets: [UInt64], order: [UInt64]) {
    self.bytes = bytes
    self.offsets = offsets
    self.order = order
  }

  /// Makes a vocabulary of `words`, in row order. Duplicates are allowed here; readers refuse them by default.
  public init(_ words: some Sequence<String>) {
    var builder = VocabularyBuilder()
    for word in words { builder.append(word) }
    self = builder.vocabulary()
  }

  /// Number of words.
  public var count: Int { offsets.count - 1 }

  /// Word of row `id`, which must be in `0..<count`; bytes that are not UTF-8 are repaired.
  public subscript(id: Int) -> String { bytes.span.text(range(id)) }

  /// Row of `word`, the lowest where it stands twice, or `nil`. Complexity: O(log n).
  public func id(of word: String) -> Int? {
    let key = Array(word.utf8)
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if Self.compare(bytes.span, range(Int(order[middle])), key.span, 0..<key.count) < 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    guard low < count, Self.compare(bytes.span, range(Int(order[low])), key.span, 0..<key.count) == 0 else {
      return nil
    }
    return Int(order[low])
  }

  /// The first two rows that share a word, or `nil`; of all such pairs the one whose second row is lowest.
  public func firstDuplicate() -> (first: Int, second: Int)? { firstDuplicate(ignoring: []) }

  /// The same among the rows that are not marked in `isDropped` (empty: none is).
  func firstDuplicate(ignoring isDropped: [Bool]) -> (first: Int, second: Int)? {
    var found: (first: Int, second: Int)?
    forEachRepeatedWord(ignoring: isDropped) { rows in
      if rows[1] < (found?.second ?? .max) { found = (rows[0], rows[1]) }
    }
    return found
  }

  /// The rows to give up so that every word stands once.
  func repeatedRows(keeping policy: DuplicatePolicy, ignoring isDropped: [Bool]) -> [Int] {
    var dropped: [Int] = []
    forEachRepeatedWord(ignoring: isDropped) { rows in
      dropped += policy == .last ? rows.dropLast() : rows.dropFirst()
    }
    return dropped
  }

  /// The vocabulary without the marked rows.
  func without(_ isDropped: [Bool]) -> Vocabulary {
    var builder = VocabularyBuilder()
    for id in 0..<count where !isDropped[id] { builder.append(bytes.span, range(id)) }
    return builder.vocabulary()
  }

  /// Where the bytes of word `id` lie.
  func range(_ id: Int) -> Range<Int> { Int(offsets[id])..<Int(offsets[id + 1]) }

  /// Calls `body` with the ascending rows of every word that names more than one.
  private func forEachRepeatedWord(ignoring isDropped: [Bool], _ body: ([Int]) -> Void) {
    var start = 0
    while start < order.count {
      var end = start + 1
      while end < order.count,
        Self.compare(bytes.span, range(Int(order[end])), bytes.span, range(Int(order[start]))) == 0
      {
        end += 1
      }
      if end - start > 1 {
        let rows = order[start..<end].map { Int($0) }.filter { isDropped.isEmpty || !isDropped[$0] }
        if rows.count > 1 { body(rows) }
      }
      start = end
    }
  }

  /// Below zero where the bytes of `a` sort before those of `b`, zero where they are equal.
  private static func compare(
    _ aBytes: Span<UInt8>, _ a: Range<Int>, _ bBytes: Span<UInt8>, _ b: Range<Int>
  ) -> Int {
    for i in 0..<min(a.count, b.count) where aBytes[a.lowerBound + i] != bBytes[b.lowerBound + i] {
      return aBytes[a.lowerBound + i] < bBytes[b.lowerBound + i] ? -1 : 1
    }
    return a.count - b.count
  }

  private static func sortedOrder(_ bytes: [UInt8], _ offsets: [UInt64]) -> [UInt64] {
    // Most words differ within eight bytes: compared as one big-endian number they need no look at the text.
    struct Entry {
      var prefix: UInt64
      var id: Int
    }
    func range(_ id: Int) -> Range<Int> { Int(offsets[id])..<Int(offsets[id + 1]) }
    var entries: [Entry] = []
    entries.reserveCapacity(offsets.count - 1)
    for id in 0..<offsets.count - 1 {
      let word = range(id)
      var prefix: UInt64 = 0
      for i in 0..<min(8, word.count) { prefix |= UInt64(bytes[word.lowerBound + i]) << UInt64(56 - 8 * i) }
      entries.append(Entry(prefix: prefix, id: id))
    }
    entries.sort { a, b in
      if a.prefix != b.prefix { return a.prefix < b.prefix }
      let order = compare(bytes.span, range(a.id), bytes.span, range(b.id))
      return order == 0 ? a.id < b.id : order < 0
    }
    return entries.map { UInt64($0.id) }
  }
}

/// Collects words into a ``Vocabulary``.
struct VocabularyBuilder {
  private var bytes: [UInt8] = []
  private var offsets: [UInt64] = [0]

  /// Words so far.
  var count: Int { offsets.count - 1 }

  mutating func append(_ text: Span<UInt8>, _ range: Range<Int>) {
    text.extracting(range).withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
    offsets.append(UInt64(bytes.count))
  }

  mutating func append(_ word: some Sequence<UInt8>) {
    bytes.append(contentsOf: word)
    offsets.append(UInt64(bytes.count))
  }

  mutating func append(_ word: String) { append(word.utf8) }

  /// Shortens every word by its last byte.
  mutating func dropLastBytes() {
    var shorter = VocabularyBuilder()
    for id in 0..<count { shorter.append(bytes[Int(offsets[id])..<Int(offsets[id + 1]) - 1]) }
    self = shorter
  }

  func vocabulary() -> Vocabulary { Vocabulary(bytes: bytes, offsets: offsets) }
}
