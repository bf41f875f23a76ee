#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How often each word stands with each label in the training data: with the class of its text, or with its own tag.
package struct WordLabels {
  /// The labels.
  package let names: [String]
  /// Number of words.
  package let words: Int
  private var counts: [Int]

  /// No word has a label yet.
  package init(names: [String], words: Int) {
    self.names = names
    self.words = words
    counts = [Int](repeating: 0, count: words * names.count)
  }

  /// Counts a word with a label.
  package mutating func add(_ word: Int32, _ label: Int) { counts[Int(word) * names.count + label] += 1 }

  /// The label each word has most often, the first of several; `nil` for words that are not in the data.
  package func mostFrequent() -> [Int?] {
    (0..<words).map { word in
      let row = counts[(word * names.count)..<((word + 1) * names.count)]
      guard let most = row.max(), most > 0 else { return nil }
      return row.firstIndex(of: most)! - row.startIndex
    }
  }

  /// Each word's G = 2 Σ O ln(O / E) over labels, O its count with a label and E the one by the shares of all words
  /// (Dunning 1993, *Accurate methods for the statistics of surprise and coincidence*, over the word's own row).
  package func association() -> [Double] {
    let labels = names.count
    var totals = [Double](repeating: 0, count: labels)
    for i in counts.indices { totals[i % labels] += Double(counts[i]) }
    let all = totals.reduce(0, +)
    return (0..<words).map { word in
      let row = counts[(word * labels)..<((word + 1) * labels)].map(Double.init)
      let sum = row.reduce(0, +)
      return zip(row, totals).reduce(0) { g, pair in
        pair.0 > 0 ? g + 2 * pair.0 * log(pair.0 * all / (pair.1 * sum)) : g
      }
    }
  }
}

extension ClassificationData {
  /// The words of the texts trained on, with the class of their text.
  var wordLabels: WordLabels {
    var labels = WordLabels(names: classes, words: vocabulary.count)
    for text in 0..<train.count {
      for place in train.range(text) { labels.add(train.words[place], Int(train.labels[text])) }
    }
    return labels
  }
}

extension PairData {
  /// The words of the pairs trained on, with the class of their pair.
  package var wordLabels: WordLabels {
    var labels = WordLabels(names: classes, words: vocabulary.count)
    for sentence in 0..<(2 * train.count) {
      for place in train.range(sentence: sentence) { labels.add(train.words[place], Int(train.labels[sentence / 2])) }
    }
    return labels
  }
}

extension TaggingData {
  /// The words of the sentences trained on, with their tags; whether a chunk begins or goes on makes no difference.
  package var wordLabels: WordLabels {
    let kinds = tags.map { tagsAreChunks && $0 != "O" ? String($0.dropFirst(2)) : $0 }
    let names = Set(kinds).sorted()
    let labelOfTag = kinds.map { names.firstIndex(of: $0)! }
    var labels = WordLabels(names: names, words: vocabulary.count)
    for (word, tag) in zip(train.words, train.tags) { labels.add(word, labelOfTag[Int(tag)]) }
    return labels
  }
}
