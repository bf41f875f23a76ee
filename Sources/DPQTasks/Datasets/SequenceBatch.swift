/// Some sequences that are worked on together, the words of one behind those of another.
///
/// Recurrent layers want them side by side instead: time step after time step, row `step · count + sequence`, shorter
/// ones filled up at their ends.
struct SequenceBatch {
  /// The words of all sequences.
  private(set) var words: [Int32] = []
  /// Where each sequence starts in ``words``, and at the end where the last one stops.
  private(set) var offsets = [0]

  /// Number of sequences.
  var count: Int { offsets.count - 1 }
  /// Number of time steps: the length of the longest.
  private(set) var steps = 0

  /// No sequences yet.
  init() {}

  /// The words of sequence `index`.
  func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }

  /// Adds a sequence.
  mutating func append(_ sequence: some Collection<Int32>) {
    words += sequence
    offsets.append(words.count)
    steps = max(steps, sequence.count)
  }

  /// Where words and time steps meet, for sequences that are read from their first word on, or from their last.
  ///
  /// - Returns: The row of each word side by side, and for each such row its word; rows that fill up stand for the first
  ///   word, and nothing that is made of them is ever used.
  func grid(reversed: Bool) -> (places: [Int32], sources: [Int32]) {
    var places = [Int32](repeating: 0, count: words.count)
    var sources = [Int32](repeating: 0, count: steps * count)
    for sequence in 0..<count {
      let range = range(sequence)
      for (step, word) in range.enumerated() {
        let row = (reversed ? range.count - 1 - step : step) * count + sequence
        places[word] = Int32(row)
        sources[row] = Int32(word)
      }
    }
    return (places, sources)
  }
}
