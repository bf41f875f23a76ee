import DPQ

/// Two layers of LSTM cells over the same sequences, one from the first word on and one from the last (Schuster, Paliwal
/// 1997; Graves, Schmidhuber 2005).
///
/// Inputs and outputs hold the words of one sequence behind those of another. The second direction runs over each
/// sequence reversed within its own length, so what fills up short sequences comes last in both and needs no mask.
final class BidirectionalLSTM {
  /// Cells of each direction; an output row is twice as long.
  let width: Int
  /// What the optimiser moves: those of the first direction, then those of the second.
  var parameters: [Parameter] { directions.flatMap(\.layer.parameters) }

  private let directions: [Direction]
  private let threads: Int
  private let output = Workspace()
  private let inputGradient = Workspace()
  /// The last training batch.
  private var batch = SequenceBatch()

  private struct Direction {
    let layer: LSTM
    let isReversed: Bool
    let input = Workspace()
    let outputGradient = Workspace()
  }

  /// Makes a layer whose weights and biases are drawn from [−scale, scale); takes the streams `stream` and `stream + 1`.
  ///
  /// - Throws: `outOfMemory`.
  init(
    name: String, inputs: Int, width: Int, scale: Float, seed: UInt64, stream: UInt64, threads: Int
  ) throws(DPQError) {
    self.width = width
    self.threads = threads
    func layer(_ direction: String, _ stream: UInt64) throws(DPQError) -> LSTM {
      try LSTM(
        name: "\(name).\(direction)", inputs: inputs, width: width, batch: 1, scale: scale, seed: seed, stream: stream,
        threads: threads)
    }
    directions = [
      Direction(layer: try layer("forward", stream), isReversed: false),
      Direction(layer: try layer("backward", stream + 1), isReversed: true),
    ]
  }

  /// The hidden states of both directions, `[words × 2 width]`, of the words whose vectors are `input`; valid until the
  /// next call.
  func forward(_ input: Matrix, _ batch: SequenceBatch, training: Bool) throws(DPQError) -> Matrix {
    precondition(input.rows == batch.words.count)
    let output = try output.matrix(rows: input.rows, columns: 2 * width)
    if training { self.batch = batch }
    guard input.rows > 0 else { return output }
    for (index, direction) in directions.enumerated() {
      let (places, sources) = batch.grid(reversed: direction.isReversed)
      let sideBySide = try direction.input.matrix(rows: sources.count, columns: input.columns)
      try sideBySide.all.gatherRows(sources, of: input, threads: threads)
      try direction.layer.restart(batch: batch.count)
      let hidden = try direction.layer.forward(sideBySide, training: training)
      try output.all[columns: (index * width)..<((index + 1) * width)].gatherRows(places, of: hidden, threads: threads)
    }
    return output
  }

  /// The gradient by the words' vectors; valid until the next call.
  func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    let inputs = directions[0].layer.parameters[0].value.rows
    let gradient = try inputGradient.matrix(rows: upstream.rows, columns: inputs)
    gradient.clear(rows: 0..<gradient.rows)
    guard upstream.rows > 0 else {
      for parameter in parameters { parameter.gradient.clear(rows: 0..<parameter.gradient.rows) }
      return gradient
    }
    for (index, direction) in directions.enumerated() {
      let (places, sources) = batch.grid(reversed: direction.isReversed)
      // Zero where nothing comes from above: rows that fill up send nothing back.
      let sideBySide = try direction.outputGradient.matrix(rows: sources.count, columns: width)
      sideBySide.clear(rows: 0..<sideBySide.rows)
      try sideBySide.addRows(
        of: upstream.all[columns: (index * width)..<((index + 1) * width)], at: places, threads: threads)
      let byInput = try direction.layer.backward(sideBySide)
      try gradient.addRows(of: byInput.all, at: sources, threads: threads)
    }
    return gradient
  }
}
