import Foundation

/// The language model in float64, written down as the papers have it: what the fast one is compared with.
struct LanguageModelReference {
  let dimension: Int
  let batch: Int
  var parameters: [String: [Double]]

  struct State {
    var hidden: [[Double]]
    var cell: [[Double]]
  }

  func start(batch: Int) -> State {
    let zeros = [Double](repeating: 0, count: batch * dimension)
    return State(hidden: [zeros, zeros], cell: [zeros, zeros])
  }

  /// Sum of the cross-entropies of `targets`, ids `[steps][batch]`; `state` moves on.
  func loss(_ inputs: [Int32], _ targets: [Int32], _ state: inout State) -> Double {
    let batch = state.hidden[0].count / dimension
    let (weights, bias) = (parameters["softmax.weights"]!, parameters["softmax.bias"]!)
    let table = parameters["embedding.table"]!
    var sum = 0.0
    for i in inputs.indices {
      let example = i % batch
      let row = Int(inputs[i]) * dimension
      var x = Array(table[row..<row + dimension])
      for layer in 0..<2 { x = step(layer, x, example, &state) }
      let logits = bias.indices.map { c in (0..<dimension).reduce(bias[c]) { $0 + weights[c * dimension + $1] * x[$1] }
      }
      let top = logits.max()!
      sum += top + log(logits.reduce(0) { $0 + exp($1 - top) }) - logits[Int(targets[i])]
    }
    return sum
  }

  private func step(_ layer: Int, _ x: [Double], _ example: Int, _ state: inout State) -> [Double] {
    let (input, recurrent) = (parameters["lstm.\(layer).input"]!, parameters["lstm.\(layer).recurrent"]!)
    let bias = parameters["lstm.\(layer).bias"]!
    let first = example * dimension
    let h = Array(state.hidden[layer][first..<first + dimension])
    let sums = bias.indices.map { column in
      (0..<dimension).reduce(bias[column]) {
        $0 + x[$1] * input[$1 * 4 * dimension + column] + h[$1] * recurrent[$1 * 4 * dimension + column]
      }
    }
    func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    return (0..<dimension).map { c in
      let (i, f) = (sigmoid(sums[c]), sigmoid(sums[dimension + c]))
      let (g, o) = (tanh(sums[2 * dimension + c]), sigmoid(sums[3 * dimension + c]))
      let cell = f * state.cell[layer][first + c] + i * g
      state.cell[layer][first + c] = cell
      state.hidden[layer][first + c] = o * tanh(cell)
      return o * tanh(cell)
    }
  }

  /// Gradient of the loss by one parameter, by central differences in float64.
  func gradient(_ name: String, _ inputs: [Int32], _ targets: [Int32], from state: State) -> [Double] {
    let step = 1e-5
    return parameters[name]!.indices.map { i in
      var other = self
      func shifted(_ by: Double) -> Double {
        other.parameters[name]![i] = parameters[name]![i] + by
        var copy = state
        return other.loss(inputs, targets, &copy)
      }
      return (shifted(step) - shifted(-step)) / (2 * step)
    }
  }
}
