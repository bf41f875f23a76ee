import DPQ

/// Which row of the table each word of some training data has.
struct WordNumbering {
  /// Row of padding; no data hold it.
  static let paddingID: Int32 = 0
  /// Row of words that are not in the vocabulary.
  static let unknownID: Int32 = 1

  /// Row of each word of the table it was made of.
  let numbers: [Int32]
  /// The words by their row, most frequent first, behind `<pad>` and `<unk>`.
  let vocabulary: Vocabulary

  /// Numbers the words of `words` that were counted `minimumCount` times or more, the most frequent if there are more
  /// than `size` rows; words seen equally often by their bytes, so that the order of the data says nothing.
  ///
  /// - Parameters:
  ///   - counts: How often each word stands in the data to train on; words beyond its end never.
  ///   - file: What an error names.
  /// - Throws: `malformedInput` where no word is left.
  init(
    _ words: WordTable, counts: [Int], minimumCount: Int, size: Int, file: String
  ) throws(DPQError) {
    // Data may spell the two special rows out.
    let special = ["<pad>", "<unk>"]
    let reserved = special.compactMap { words.id(of: Array($0.utf8)).map(Int.init) }
    let known = counts.indices.filter { counts[$0] >= max(1, minimumCount) && !reserved.contains($0) }.sorted { a, b in
      counts[a] != counts[b] ? counts[a] > counts[b] : words.word(a).lexicographicallyPrecedes(words.word(b))
    }.prefix(max(0, size - special.count))
    guard !known.isEmpty else {
      throw DPQError(
        .malformedInput, "no word is in the vocabulary: lower --min-count or raise --vocabulary-size",
        .init(file: file))
    }
    var numbers = [Int32](repeating: Self.unknownID, count: words.count)
    for (rank, word) in known.enumerated() { numbers[word] = Int32(rank + special.count) }
    self.numbers = numbers
    vocabulary = Vocabulary(special + known.map { String(decoding: words.word($0), as: UTF8.self) })
  }
}

extension WordTable {
  /// How often each word of the table stands in `words`.
  func counts(in words: [Int32]) -> [Int] {
    var counts = [Int](repeating: 0, count: count)
    for word in words { counts[Int(word)] += 1 }
    return counts
  }

  /// The words in the order of their bytes, and the place of each word among them.
  func sorted() -> (names: [String], places: [Int32]) {
    let order = (0..<count).sorted { word($0).lexicographicallyPrecedes(word($1)) }
    var places = [Int32](repeating: 0, count: count)
    for (place, id) in order.enumerated() { places[id] = Int32(place) }
    return (order.map { String(decoding: word($0), as: UTF8.self) }, places)
  }
}
