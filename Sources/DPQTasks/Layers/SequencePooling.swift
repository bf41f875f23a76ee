import DPQ

/// One vector a sequence from the vectors of its words: their mean, or their largest values column by column.
final class SequencePooling {
  /// What becomes of the words' values in a column.
  enum Kind: Sendable { case mean, max }

  private let kind: Kind
  private let threads: Int
  private let output = Workspace()
  private let inputGradient = Workspace()
  private var mean = SparseMatrix(columns: 0)
  /// For `max` the row that each value came from, or −1 in a sequence without words.
  private var origins: [Int32] = []

  init(_ kind: Kind, threads: Int) {
    self.kind = kind
    self.threads = threads
  }

  /// A row for each sequence of `batch`, zeros for one without words; valid until the next call.
  func forward(_ input: Matrix, _ batch: SequenceBatch) throws(DPQError) -> Matrix {
    let result = try output.matrix(rows: batch.count, columns: input.columns)
    switch kind {
    case .mean:
      mean = SparseMatrix(columns: input.rows)
      for sequence in 0..<batch.count {
        let words = batch.range(sequence)
        mean.appendRow(words.lazy.map { Int32($0) }, weight: 1 / Float(max(words.count, 1)))
      }
      try mean.multiply(input, into: result, threads: threads)
    case .max:
      let columns = input.columns
      origins = [Int32](repeating: -1, count: batch.count * columns)
      let from = input.values
      var to = result.mutableValues
      for sequence in 0..<batch.count {
        let words = batch.range(sequence)
        for c in 0..<columns {
          let place = sequence * columns + c
          to[place] = 0
          guard let first = words.first else { continue }
          var best = first
          for word in words where from[word * columns + c] > from[best * columns + c] { best = word }
          to[place] = from[best * columns + c]
          origins[place] = Int32(best)
        }
      }
    }
    return result
  }

  /// The gradient by the words' vectors; valid until the next call.
  func backward(_ upstream: Matrix, words: Int) throws(DPQError) -> Matrix {
    let gradient = try inputGradient.matrix(rows: words, columns: upstream.columns)
    switch kind {
    case .mean: try mean.transposed().multiply(upstream, into: gradient, threads: threads)
    case .max:
      gradient.clear(rows: 0..<words)
      let columns = upstream.columns
      let from = upstream.values
      var to = gradient.mutableValues
      for place in origins.indices where origins[place] >= 0 {
        to[Int(origins[place]) * columns + place % columns] += from[place]
      }
    }
    return gradient
  }
}
