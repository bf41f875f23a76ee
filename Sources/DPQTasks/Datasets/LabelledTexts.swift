/// Texts as numbers of words, each with the number of its class.
public struct LabelledTexts: Sendable, Equatable {
  /// Words of all texts, one text after another.
  public private(set) var words: [Int32] = []
  /// Where each text starts in ``words``, and at the end where the last one stops: `count + 1` values.
  public private(set) var offsets = [0]
  /// Class of each text.
  public private(set) var labels: [Int32] = []

  /// No texts yet.
  init() {}

  /// Number of texts.
  public var count: Int { labels.count }

  /// Where the words of text `index` stand in ``words``.
  public func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }

  /// Adds one word to the text that the next ``finishText(label:)`` ends.
  mutating func append(_ word: Int32) { words.append(word) }

  /// Ends a text.
  mutating func finishText(label: Int32) {
    offsets.append(words.count)
    labels.append(label)
  }

  /// Replaces every word by what `table` holds at its number, and every label likewise.
  mutating func renumber(words table: [Int32], labels names: [Int32]) {
    for i in words.indices { words[i] = table[Int(words[i])] }
    for i in labels.indices { labels[i] = names[Int(labels[i])] }
  }

  /// The texts `indices`, in that order.
  func selecting(_ indices: some Sequence<Int>) -> LabelledTexts {
    var result = LabelledTexts()
    for index in indices {
      result.words += words[range(index)]
      result.finishText(label: labels[index])
    }
    return result
  }
}
