import DPQ

/// Batch normalisation (Ioffe, Szegedy 2015): each column with the mean 0 and the variance 1 over the batch, then scaled
/// and shifted by what is learned.
///
/// Without training the running means and variances of the batches take the place of the batch's own.
public final class BatchNorm: Layer {
  /// Scale and shift, `[1 × columns]` each.
  public let parameters: [Parameter]
  /// Running mean and variance, `[1 × columns]` each, and the share of them that batches have made up so far.
  public let buffers: [(name: String, value: Matrix)]
  /// Share of the running statistics that stays at each batch.
  public let momentum: Float
  /// Added to variances.
  public let epsilon: Float

  private let output = Workspace()
  private let inputGradient = Workspace()
  /// The normalised batch, and 1 / deviation of each column.
  private let normalised = Workspace()
  private var batch: Matrix?
  private var factors: [Float]
  private var sums: [Float]
  private var products: [Float]

  /// Makes a layer with scale 1 and shift 0.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, columns: Int, momentum: Float = 0.99, epsilon: Float = 1e-3) throws(DPQError) {
    let scale = try Parameter(name: "\(name).scale", value: Matrix(rows: 1, columns: columns))
    let shift = try Parameter(name: "\(name).shift", value: Matrix(rows: 1, columns: columns))
    let mean = try Matrix(rows: 1, columns: columns)
    let variance = try Matrix(rows: 1, columns: columns)
    for column in 0..<columns {
      scale.value[0, column] = 1
      variance[0, column] = 1
    }
    self.parameters = [scale, shift]
    self.buffers = [
      ("\(name).mean", mean), ("\(name).variance", variance),
      ("\(name).running_share", try Matrix(rows: 1, columns: 1)),
    ]
    self.momentum = momentum
    self.epsilon = epsilon
    factors = [Float](repeating: 1, count: columns)
    sums = factors
    products = factors
  }

  /// The normalised, scaled and shifted `input`, valid until the next call.
  public func forward(_ input: Matrix, training: Bool) throws(DPQError) -> Matrix {
    let columns = factors.count
    precondition(input.columns == columns)
    let result = try output.matrix(rows: input.rows, columns: columns)
    let batch = try normalised.matrix(rows: input.rows, columns: columns)
    let (mean, variance) = (buffers[0].value, buffers[1].value)
    if training {
      measure(input)
      // Their start has no weight: they are averages of batches from the first one on.
      let made = buffers[2].value
      made[0, 0] += (1 - momentum) * (1 - made[0, 0])
      let share = (1 - momentum) / made[0, 0]
      for c in 0..<columns {
        mean[0, c] += share * (sums[c] - mean[0, c])
        variance[0, c] += share * (products[c] - variance[0, c])
      }
    } else {
      for c in 0..<columns {
        sums[c] = mean[0, c]
        products[c] = variance[0, c]
      }
    }
    for c in 0..<columns { factors[c] = 1 / (products[c] + epsilon).squareRoot() }
    let (scales, shifts) = (parameters[0].value, parameters[1].value)
    let scale = scales.values
    let shift = shifts.values
    let from = input.values
    var middle = batch.mutableValues
    var to = result.mutableValues
    for row in 0..<input.rows {
      for c in 0..<columns {
        let value = (from[row * columns + c] - sums[c]) * factors[c]
        middle[row * columns + c] = value
        to[row * columns + c] = value * scale[c] + shift[c]
      }
    }
    self.batch = training ? batch : nil
    return result
  }

  /// Sets `sums` to the mean of each column and `products` to its biased variance.
  private func measure(_ input: Matrix) {
    let columns = factors.count
    let share = 1 / Float(max(input.rows, 1))
    let from = input.values
    for c in 0..<columns {
      sums[c] = 0
      products[c] = 0
    }
    for row in 0..<input.rows { for c in 0..<columns { sums[c] += from[row * columns + c] } }
    for c in 0..<columns { sums[c] *= share }
    // In a second pass: squares of large values would swallow a small variance.
    for row in 0..<input.rows {
      for c in 0..<columns {
        let distance = from[row * columns + c] - sums[c]
        products[c] += distance * distance
      }
    }
    for c in 0..<columns { products[c] *= share }
  }

  /// The gradient by the input, through the statistics of the batch as well; valid until the next call.
  public func backward(_ upstream: Matrix) throws(DPQError) -> Matrix {
    guard let batch else { preconditionFailure("backward without a training forward") }
    let columns = factors.count
    let gradient = try inputGradient.matrix(rows: upstream.rows, columns: columns)
    let (from, normal) = (upstream.values, batch.values)
    for c in 0..<columns {
      sums[c] = 0
      products[c] = 0
    }
    for row in 0..<upstream.rows {
      for c in 0..<columns {
        let value = from[row * columns + c]
        sums[c] += value
        products[c] += value * normal[row * columns + c]
      }
    }
    let (scaleGradients, shiftGradients) = (parameters[0].gradient, parameters[1].gradient)
    var scaleGradient = scaleGradients.mutableValues
    var shiftGradient = shiftGradients.mutableValues
    for c in 0..<columns {
      shiftGradient[c] = sums[c]
      scaleGradient[c] = products[c]
    }
    // ∂x = scale / deviation · (∂y − mean(∂y) − x̂ · mean(∂y · x̂))
    let share = 1 / Float(upstream.rows)
    let scales = parameters[0].value
    let scale = scales.values
    var to = gradient.mutableValues
    for c in 0..<columns {
      sums[c] *= share
      products[c] *= share
    }
    for row in 0..<upstream.rows {
      for c in 0..<columns {
        let place = row * columns + c
        to[place] = scale[c] * factors[c] * (from[place] - sums[c] - normal[place] * products[c])
      }
    }
    return gradient
  }
}
