import DPQ
import Foundation
import Testing

@testable import DPQTasks

/// The recurrent language model against float64, its gradients, dropout in it.
@Suite struct LanguageModelTests {
  static func options(keep: Float = 1, threads: Int = 1) -> LanguageModel.Options {
    var options = LanguageModel.Options()
    options.dimension = 5
    options.batch = 3
    options.scale = 0.5
    options.keep = keep
    options.threads = threads
    return options
  }

  static func model(keep: Float = 1, words: Int = 11) throws -> LanguageModel {
    let options = options(keep: keep)
    let embedding = try FullEmbedding(rows: words, dimension: 5, scale: 0.5, seed: 3, threads: 1)
    return try LanguageModel(embedding: embedding, options: options)
  }

  static func reference(_ model: LanguageModel) -> LanguageModelReference {
    let values = model.parameters.map { ($0.name, $0.value.array.map(Double.init)) }
    return LanguageModelReference(dimension: 5, batch: 3, parameters: Dictionary(uniqueKeysWithValues: values))
  }

  static func ids(_ count: Int, below bound: Int, seed: UInt64) -> [Int32] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in Int32(generator.index(below: bound)) }
  }

  /// The gradient of a parameter with all rows, also those a batch does not touch.
  static func gradient(_ parameter: Parameter) -> [Double] {
    guard let rows = parameter.touchedRows else { return parameter.gradient.array.map(Double.init) }
    let columns = parameter.value.columns
    var gradient = [Double](repeating: 0, count: parameter.value.count)
    for (i, row) in rows.enumerated() {
      for c in 0..<columns { gradient[Int(row) * columns + c] = Double(parameter.gradient[i, c]) }
    }
    return gradient
  }

  static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  /// The second batch, which starts in the state the first one left.
  @Test func lossAndGradientsAreThoseOfFloat64() throws {
    let model = try Self.model()
    let reference = Self.reference(model)
    var state = reference.start(batch: 3)
    let first = (Self.ids(12, below: 11, seed: 1), Self.ids(12, below: 11, seed: 2))
    let second = (Self.ids(21, below: 11, seed: 3), Self.ids(21, below: 11, seed: 4))
    let loss = try model.train(first.0.span, targets: first.1.span)
    #expect(abs(loss - reference.loss(first.0, first.1, &state)) < 1e-5)
    let before = state
    let again = try model.train(second.0.span, targets: second.1.span)
    #expect(abs(again - reference.loss(second.0, second.1, &state)) < 1e-5)
    #expect(model.parameters.count == 9)
    for parameter in model.parameters {
      let wanted = reference.gradient(parameter.name, second.0, second.1, from: before).map { $0 / 3 }
      let difference = Self.norm(zip(Self.gradient(parameter), wanted).map { $0 - $1 })
      #expect(difference <= 1e-5 * Self.norm(wanted), "\(parameter.name): \(difference / Self.norm(wanted))")
    }
  }

  @Test func evaluationIsOnePassOverTheWholeText() throws {
    let model = try Self.model()
    let reference = Self.reference(model)
    let text = Self.ids(1234, below: 11, seed: 5)
    var state = reference.start(batch: 1)
    let wanted = reference.loss(Array(text.dropLast()), Array(text.dropFirst()), &state)
    let whole = try model.evaluate(text, streams: 1)
    #expect(abs(whole - wanted) < 1e-5 * wanted)
    // Parts that have warmed up know what one pass knows.
    #expect(abs(try model.evaluate(text, streams: 3) - wanted) < 1e-5 * wanted)
    // A text too short to cut, and none at all.
    #expect(try model.evaluate(Array(text.prefix(2)), streams: 10) > 0)
    #expect(try model.evaluate([4], streams: 10) == 0)
  }

  @Test func evaluationLeavesTrainingAlone() throws {
    let (one, other) = (try Self.model(keep: 0.7), try Self.model(keep: 0.7))
    let (inputs, targets) = (Self.ids(12, below: 11, seed: 1), Self.ids(12, below: 11, seed: 2))
    for round in 0..<3 {
      let a = try one.train(inputs.span, targets: targets.span)
      let b = try other.train(inputs.span, targets: targets.span)
      #expect(a == b, "batch \(round)")
      _ = try one.evaluate(Self.ids(50, below: 11, seed: 9), streams: 2)
    }
  }

  /// With dropout: the same values are dropped where the batch is the same, so differences show the gradient.
  @Test func gradientsPassDropoutWhereValuesDo() throws {
    let model = try Self.model(keep: 0.6)
    let (inputs, targets) = (Self.ids(15, below: 11, seed: 6), Self.ids(15, below: 11, seed: 7))
    func loss() throws -> Double {
      model.batches = 41
      model.resetState()
      return try model.train(inputs.span, targets: targets.span) / 3
    }
    _ = try loss()
    let gradients = model.parameters.map(Self.gradient)
    for (parameter, gradient) in zip(model.parameters, gradients) {
      let start = parameter.value.array
      let norm = Self.norm(gradient)
      func shifted(_ by: Double) throws -> Double {
        for i in start.indices {
          parameter.value[i / parameter.value.columns, i % parameter.value.columns] =
            start[i] + Float(by * gradient[i] / norm)
        }
        return try loss()
      }
      let slope = try (shifted(0.01) - shifted(-0.01)) / 0.02
      _ = try shifted(0)
      #expect(abs(slope - norm) < 2e-3 * norm, "\(parameter.name): \(slope) for \(norm)")
    }
  }

  @Test func embeddingsOfAnotherWidthAreRefused() throws {
    let embedding = try FullEmbedding(rows: 4, dimension: 6)
    #expect(throws: DPQError.self) { try LanguageModel(embedding: embedding, options: Self.options()) }
  }
}

/// Layers by themselves.
@Suite struct LayerTests {
  private func filled(_ rows: Int, _ columns: Int, seed: UInt64) throws -> Matrix {
    let matrix = try Matrix(rows: rows, columns: columns)
    matrix.fillUniformly(scale: 1, seed: seed, stream: 0)
    return matrix
  }

  @Test func linearLayersMultiplyAndAdd() throws {
    let layer = try Linear(name: "l", inputs: 4, outputs: 3, scale: 1, seed: 1, stream: 1, threads: 1)
    let (input, upstream) = (try filled(6, 4, seed: 2), try filled(6, 3, seed: 3))
    let output = try layer.forward(input, training: true)
    let (weights, bias) = (layer.parameters[0].value, layer.parameters[1].value)
    for r in 0..<6 {
      for c in 0..<3 {
        let want = (0..<4).reduce(bias[0, c]) { $0 + weights[c, $1] * input[r, $1] }
        #expect(abs(output[r, c] - want) < 1e-5)
      }
    }
    let back = try layer.backward(upstream)
    for r in 0..<6 {
      for i in 0..<4 { #expect(abs(back[r, i] - (0..<3).reduce(0) { $0 + upstream[r, $1] * weights[$1, i] }) < 1e-5) }
    }
    for c in 0..<3 {
      #expect(abs(layer.parameters[1].gradient[0, c] - (0..<6).reduce(0) { $0 + upstream[$1, c] }) < 1e-5)
      for i in 0..<4 {
        let want = (0..<6).reduce(Float(0)) { $0 + upstream[$1, c] * input[$1, i] }
        #expect(abs(layer.parameters[0].gradient[c, i] - want) < 1e-5)
      }
    }
  }

  @Test func dropoutKeepsItsShareAndDropsTheSameOnTheWayBack() throws {
    let layer = Dropout(keep: 0.75, seed: 5, threads: 2)
    let input = try filled(200, 100, seed: 1)
    let first = try layer.forward(input, training: true).array
    let back = try layer.backward(input).array
    #expect(first == back)
    #expect(abs(Double(first.count { $0 != 0 }) / 20_000 - 0.75) < 0.02)
    #expect(zip(first, input.array).allSatisfy { $0 == 0 || abs($0 - $1 / 0.75) < 1e-6 })
    #expect(try layer.forward(input, training: true).array != first)
    #expect(try layer.forward(input, training: false) === input)
    let none = Dropout(keep: 1, seed: 5, threads: 1)
    #expect(try none.forward(input, training: true) === input)
  }

  @Test func crossEntropyLeavesOutRowsWithoutLabel() throws {
    let logits = try filled(4, 7, seed: 1)
    let before = logits.array
    var loss = SoftmaxCrossEntropy(threads: 1)
    let (all, some): ([Int32], [Int32]) = ([1, 6, 0, 3], [1, -1, 0, -1])
    let whole = try loss(logits, labels: all.span)
    let part = try loss(logits, labels: some.span)
    #expect(whole > part && part > 0)
    #expect(logits.array == before)
    _ = try loss(logits, labels: some.span, gradientScale: 2)
    for c in 0..<7 { #expect(logits[1, c] == 0) }
    #expect(abs((0..<7).reduce(0) { $0 + logits[0, $1] }) < 1e-5)
    let wrong: [Int32] = [1, 7, 0, 3]
    #expect(throws: DPQError.self) { try loss(logits, labels: wrong.span) }
  }
}
