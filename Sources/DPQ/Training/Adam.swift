/// Adam (Kingma, Ba 2015) over one array of parameters.
struct Adam {
  private var first: [Float]
  private var second: [Float]
  private var firstDecay: Float = 1
  private var secondDecay: Float = 1
  private static let beta: (Float, Float) = (0.9, 0.99)

  init(count: Int) {
    first = [Float](repeating: 0, count: count)
    second = first
  }

  /// Moves `parameters` against `gradient` by steps of about `rate`.
  mutating func update(_ parameters: inout [Float], gradient: Span<Float>, rate: Float) {
    precondition(parameters.count == first.count && gradient.count == first.count)
    firstDecay *= Self.beta.0
    secondDecay *= Self.beta.1
    let scale = rate * (1 - secondDecay).squareRoot() / (1 - firstDecay)
    for i in gradient.indices {
      let g = gradient[i]
      first[i] += (1 - Self.beta.0) * (g - first[i])
      second[i] += (1 - Self.beta.1) * (g * g - second[i])
      if second[i] > 0 { parameters[i] -= scale * first[i] / (second[i].squareRoot() + 1e-20) }
    }
  }

  /// Forgets what is known of the parameters `range`.
  mutating func reset(_ range: Range<Int>) {
    for i in range {
      first[i] = 0
      second[i] = 0
    }
  }
}
