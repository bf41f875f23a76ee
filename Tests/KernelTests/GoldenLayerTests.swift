import Testing

@testable import DPQ

/// The reference values again, through the whole layer: lookups by id, gradients scattered to rows.
@Suite struct GoldenLayerTests {
  @Test(arguments: levels, GoldenCase.all)
  func goldenLayer(level: String, golden: GoldenCase) throws {
    try atLevel(level) {
      for threads in [1, 2] { try check(golden, threads) }
    }
  }

  private func check(_ golden: GoldenCase, _ threads: Int) throws {
    let (batch, groups) = (golden.integer("batch"), golden.integer("groups"))
    let dimension = groups * golden.integer("width")
    let layout = try CodeLayout(
      dimension: dimension, groups: groups, codes: golden.integer("codes"), isShared: golden.flag("shared"))
    var options = DPQEmbedding.Options(golden.isSX ? .sx : .vq, layout)
    options.normalizesResponse = golden.flag("batchnorm")
    options.temperature = Float(golden.metadata["temperature"]!)!
    options.epsilon = Float(golden.metadata["epsilon"]!)!
    options.threads = threads
    // Row 2 i + 1 holds query i, and they are asked for from the last to the first.
    let layer = try DPQEmbedding(rows: 2 * batch + 1, options: options)
    let query = golden.floats("query")
    for i in 0..<batch {
      for c in 0..<dimension { layer.query.value[2 * i + 1, c] = query[i * dimension + c] }
    }
    fill(layer.keys.value, golden.floats("keys"))
    if golden.isSX { fill(layer.values.value, golden.floats("values")) }
    let ids = (0..<batch).map { Int32(2 * (batch - 1 - $0) + 1) }
    var output = [Float](repeating: 0, count: query.count)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: true)
    try layer.backward(reversed(golden.floats("upstream"), dimension).span)
    #expect(layer.query.touchedRows == ids.reversed())
    // After one batch the running statistics are the batch's own.
    let codes = try layer.codes()
    golden.expect(
      GoldenCase.Result(
        codes: (0..<batch * groups).map { Int(codes[(2 * ($0 / groups) + 1) * groups + $0 % groups]) },
        output: reversed(output, dimension), statistics: options.normalizesResponse ? layer.running.array : nil,
        regularization: layer.regularization, queryGradient: Array(layer.query.gradient.array.prefix(query.count)),
        keyGradient: layer.keys.gradient.array, valueGradient: golden.isSX ? layer.values.gradient.array : nil))
  }

  private func fill(_ matrix: Matrix, _ values: [Float]) {
    for i in values.indices { matrix[i / matrix.columns, i % matrix.columns] = values[i] }
  }

  private func reversed(_ rows: [Float], _ dimension: Int) -> [Float] {
    stride(from: rows.count - dimension, through: 0, by: -dimension).flatMap { rows[$0..<$0 + dimension] }
  }
}
