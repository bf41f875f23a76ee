/// Pairs of sentences as numbers of words, each pair with the number of its class.
public struct SentencePairs: Sendable, Equatable {
  /// Words of all sentences, both of a pair one after the other.
  public private(set) var words: [Int32] = []
  /// Where each sentence starts in ``words``, and at the end where the last one stops: `2 · count + 1` values.
  public private(set) var offsets = [0]
  /// Class of each pair.
  public private(set) var labels: [Int32] = []

  /// No pairs yet.
  init() {}

  /// Number of pairs.
  public var count: Int { labels.count }

  /// Where the words of a sentence stand in ``words``: sentence 2 · i is the first of pair i, 2 · i + 1 the second.
  public func range(sentence: Int) -> Range<Int> { offsets[sentence]..<offsets[sentence + 1] }

  /// Length of the longer sentence of each pair.
  var lengths: [Int] { (0..<count).map { max(range(sentence: 2 * $0).count, range(sentence: 2 * $0 + 1).count) } }

  /// Adds one word to the sentence that the next ``finishSentence()`` ends.
  mutating func append(_ word: Int32) { words.append(word) }

  /// Ends a sentence.
  mutating func finishSentence() { offsets.append(words.count) }

  /// Ends a pair of two sentences.
  mutating func finishPair(label: Int32) {
    labels.append(label)
    precondition(offsets.count == 2 * labels.count + 1)
  }

  /// Replaces every word by what `table` holds at its number, and every label likewise.
  mutating func renumber(words table: [Int32], labels names: [Int32]) {
    for i in words.indices { words[i] = table[Int(words[i])] }
    for i in labels.indices { labels[i] = names[Int(labels[i])] }
  }

  /// The pairs `indices`, in that order.
  func selecting(_ indices: some Sequence<Int>) -> SentencePairs {
    var result = SentencePairs()
    for index in indices {
      for sentence in [2 * index, 2 * index + 1] {
        result.words += words[range(sentence: sentence)]
        result.finishSentence()
      }
      result.finishPair(label: labels[index])
    }
    return result
  }
}
