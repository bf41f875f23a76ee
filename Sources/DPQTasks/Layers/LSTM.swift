import DPQ

/// A layer of LSTM cells (Hochreiter, Schmidhuber 1997; gates without peepholes) over a batch of sequences, trained by
/// truncated back-propagation through time: the state goes on from one input to the next, gradients do not.
///
/// Inputs and outputs hold the examples of the first time step, then those of the second: row `step · batch + example`.
public final class LSTM: Layer {
  /// Where the sequences of a batch are: one row an example.
  public struct State {
    /// Hidden state `[batch × width]`.
    public let hidden: Matrix
    /// Cell state `[batch × width]`.
    public let cell: Matrix

    /// The state of `batch` sequences that have not started.
    ///
    /// - Throws: `outOfMemory`.
    public init(batch: Int, width: Int) throws(DPQError) {
      hidden = try Matrix(rows: batch, columns: width)
      cell = try Matrix(rows: batch, columns: width)
    }

    /// Goes back to the start of the sequences.
    public func reset() {
      hidden.clear(rows: 0..<hidden.rows)
      cell.clear(rows: 0..<cell.rows)
    }

    /// Takes the first sequence back to its start.
    func resetFirst() {
      hidden.clear(rows: 0..<1)
      cell.clear(rows: 0..<1)
    }

    func copy(from other: State) {
      hidden.copy(from: other.hidden)
      cell.copy(from: other.cell)
    }
  }

  /// Cells of the layer.
  public let width: Int
  /// Input weights `[inputs × 4 width]`, recurrent weights `[width × 4 width]` and bias `[1 × 4 width]`, the columns in
  /// the order input, forget, cell, output.
  public let parameters: [Parameter]
  /// Where the sequences are; its rows are the batch. Evaluation on other sequences puts a state of its own here.
  public var state: State

  private let threads: Int
  private let gates = Workspace()
  private let cells = Workspace()
  private let squashed = Workspace()
  private let output = Workspace()
  private let inputGradient = Workspace()
  private let cellGradient = Workspace()
  /// The last training input, with the state it began in.
  private var input: Matrix?
  private var start: State

  /// Makes a layer for `batch` sequences whose weights and biases are drawn from [−scale, scale); different `stream`s of
  /// a seed are unrelated.
  ///
  /// - Throws: `outOfMemory`.
  public init(
    name: String, inputs: Int, width: Int, batch: Int, scale: Float, seed: UInt64, stream: UInt64, threads: Int
  ) throws(DPQError) {
    self.width = width
    self.threads = threads
    state = try State(batch: batch, width: width)
    start = try State(batch: batch, width: width)
    parameters = [
      try Parameter(name: "\(name).input", value: Matrix(rows: inputs, columns: 4 * width)),
      try Parameter(name: "\(name).recurrent", value: Matrix(rows: width, columns: 4 * width)),
      try Parameter(name: "\(name).bias", value: Matrix(rows: 1, columns: 4 * width)),
    ]
    for (index, parameter) in parameters.enumerated() {
      parameter.value.fillUniformly(scale: scale, seed: seed, stream: 4 * stream + UInt64(index))
    }
  }

  /// None: training starts each pass over the text with a fresh state.
  public var buffers: [(name: String, value: Matrix)] { [] }

  /// Takes up `batch` sequences that have not started.
  ///
  /// - Throws: `outOfMemory`.
  public func restart(batch: Int) throws(DPQError) {
    if state.hidden.rows == batch { state.reset() } else { state = try State(batch: batch, width: width) }
  }

  /// The hidden states `[steps · batch × width]`, valid until the next call; ``state`` moves on.
  public func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix {
    let batch = state.hidden.rows
    precondition(input.rows % batch == 0 && input.columns == parameters[0].value.rows)
    let gates = try gates.matrix(rows: input.rows, columns: 4 * width)
    let cells = try cells.matrix(rows: input.rows, columns: width)
    let squashed = try squashed.matrix(rows: input.rows, columns: width)
    let output = try output.matrix(rows: input.rows, columns: width)
    if training {
      self.input = input
      if start.hidden.rows != batch { start = try State(batch: batch, width: width) }
      start.copy(from: state)
    }
    try gates.all.setProduct(
      .plain(input.all), .plain(parameters[0].value.all), plus: .row(parameters[2].value), threads: threads)
    var (hidden, cell) = (state.hidden.all, state.cell.all)
    for first in stride(from: 0, to: input.rows, by: batch) {
      let rows = first..<(first + batch)
      try gates[rows: rows].setProduct(
        .plain(hidden), .plain(parameters[1].value.all), plus: .itself, threads: threads)
      try LSTMCell.forward(
        gates: gates[rows: rows], cell: cell, newCell: cells[rows: rows], squashed: squashed[rows: rows],
        hidden: output[rows: rows], threads: threads)
      (hidden, cell) = (output[rows: rows], cells[rows: rows])
    }
    state.hidden.all.copy(from: hidden)
    state.cell.all.copy(from: cell)
    return output
  }

  /// The gradient `[steps · batch × inputs]`, valid until the next call. `upstream` is used up.
  public func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard let input else { preconditionFailure("backward without a training forward") }
    let (rows, batch) = (input.rows, start.hidden.rows)
    let gates = try gates.matrix(rows: rows, columns: 4 * width)
    let cells = try cells.matrix(rows: rows, columns: width)
    let squashed = try squashed.matrix(rows: rows, columns: width)
    let output = try output.matrix(rows: rows, columns: width)
    let cellGradient = try cellGradient.matrix(rows: batch, columns: width)
    cellGradient.clear(rows: 0..<batch)
    for first in stride(from: rows - batch, through: 0, by: -batch) {
      let now = first..<(first + batch)
      let before = (first - batch)..<first
      try LSTMCell.backward(
        gates: gates[rows: now], cell: first > 0 ? cells[rows: before] : start.cell.all, squashed: squashed[rows: now],
        hiddenGradient: upstream[rows: now], cellGradient: cellGradient.all, threads: threads)
      if first > 0 {
        try upstream[rows: before].setProduct(
          .plain(gates[rows: now]), .transposed(parameters[1].value.all), plus: .itself, threads: threads)
      }
    }
    try parameters[0].gradient.all.setProduct(.transposed(input.all), .plain(gates.all), threads: threads)
    let recurrent = parameters[1].gradient.all
    try recurrent.setProduct(.transposed(start.hidden.all), .plain(gates[rows: 0..<batch]), threads: threads)
    if rows > batch {
      try recurrent.setProduct(
        .transposed(output[rows: 0..<(rows - batch)]), .plain(gates[rows: batch..<rows]), plus: .itself,
        threads: threads)
    }
    try gates.all.sumRows(into: parameters[2].gradient, threads: threads)
    let result = try inputGradient.matrix(rows: rows, columns: input.columns)
    try result.all.setProduct(.plain(gates.all), .transposed(parameters[0].value.all), threads: threads)
    return result
  }
}
