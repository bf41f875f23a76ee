import DPQ

/// The vectors of the words of a batch, with dropout.
final class EmbeddedWords {
  /// Dropout over the vectors.
  let dropout: Dropout
  private let rows = Workspace()

  /// Makes the layer; `seed` tells it from other layers with dropout of the model.
  init(keep: Float, seed: UInt64, threads: Int) { dropout = Dropout(keep: keep, seed: seed, threads: threads) }

  /// A row for each of `words`, valid until the next call.
  func forward(_ words: [Int32], _ embedding: any EmbeddingLayer, training: Bool) throws(DPQError) -> Matrix {
    let rows = try rows.matrix(rows: words.count, columns: embedding.dimension)
    var values = rows.mutableValues
    try embedding.forward(words.span, into: &values, training: training)
    return try dropout.forward(rows, training: training)
  }

  /// Sets the gradients of the embedding from that by the vectors.
  func backward(_ upstream: Matrix, _ embedding: any EmbeddingLayer) throws(DPQError) {
    let gradient = try dropout.backward(upstream)
    try embedding.backward(gradient.values)
  }
}
