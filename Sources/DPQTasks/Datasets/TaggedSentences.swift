/// Sentences as numbers of words, each word with the number of its tag.
public struct TaggedSentences: Sendable, Equatable {
  /// Words of all sentences, one sentence after another.
  public private(set) var words: [Int32] = []
  /// Tag of each word.
  public private(set) var tags: [Int32] = []
  /// Where each sentence starts in ``words``, and at the end where the last one stops: `count + 1` values.
  public private(set) var offsets = [0]

  /// No sentences yet.
  init() {}

  /// Number of sentences.
  public var count: Int { offsets.count - 1 }

  /// Where the words of sentence `index` stand in ``words``.
  public func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }

  /// Length of each sentence.
  var lengths: [Int] { (0..<count).map { range($0).count } }

  /// Adds one word to the sentence that the next ``finishSentence()`` ends.
  mutating func append(_ word: Int32, tag: Int32) {
    words.append(word)
    tags.append(tag)
  }

  /// Ends a sentence if it has words.
  mutating func finishSentence() {
    if words.count > offsets[offsets.count - 1] { offsets.append(words.count) }
  }

  /// Replaces every word by what `table` holds at its number, and every tag likewise.
  mutating func renumber(words table: [Int32], tags names: [Int32]) {
    for i in words.indices { words[i] = table[Int(words[i])] }
    for i in tags.indices { tags[i] = names[Int(tags[i])] }
  }

  /// The sentences `indices`, in that order.
  func selecting(_ indices: some Sequence<Int>) -> TaggedSentences {
    var result = TaggedSentences()
    for index in indices {
      result.words += words[range(index)]
      result.tags += tags[range(index)]
      result.finishSentence()
    }
    return result
  }
}
