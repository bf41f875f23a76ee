import DPQ
import DPQTasks
import Foundation
import Testing

/// The field against the sum over all tag sequences written out.
@Suite struct ConditionalRandomFieldTests {
  private static let (tags, length) = (3, 4)

  private func field() throws -> (ConditionalRandomField, Matrix) {
    let field = try ConditionalRandomField(name: "field", tags: Self.tags)
    let emissions = try Matrix(rows: Self.length + 1, columns: Self.tags)
    for i in 0...Self.tags { for j in 0...Self.tags { field.transitions.value[i, j] = sin(Float(3 * i + 7 * j + 1)) } }
    for t in 0...Self.length { for j in 0..<Self.tags { emissions[t, j] = 2 * cos(Float(5 * t + 2 * j)) } }
    return (field, emissions)
  }

  private func score(_ path: [Int], _ field: ConditionalRandomField, _ emissions: Matrix, first: Int) -> Double {
    var (sum, before) = (0.0, Self.tags)
    for (t, tag) in path.enumerated() {
      sum += Double(emissions[first + t, tag]) + Double(field.transitions.value[before, tag])
      before = tag
    }
    return sum + Double(field.transitions.value[before, Self.tags])
  }

  private var allPaths: [[Int]] {
    (0..<81).map { n in [n / 27, n / 9 % 3, n / 3 % 3, n % 3] }
  }

  @Test func lossIsThatOfAllSequences() throws {
    let (field, emissions) = try field()
    let gradient = try Matrix(rows: Self.length + 1, columns: Self.tags)
    let reference: [Int32] = [2, 0, 1, 1]
    let loss = field.loss(emissions: emissions, first: 1, reference: reference[...], scale: 1, gradient: gradient)
    let total = log(allPaths.reduce(0) { $0 + exp(score($1, field, emissions, first: 1)) })
    #expect(abs(loss - (total - score(reference.map(Int.init), field, emissions, first: 1))) < 1e-9)
    #expect((0..<Self.tags).allSatisfy { gradient[0, $0] == 0 })
  }

  @Test func gradientsAreFiniteDifferences() throws {
    let (field, emissions) = try field()
    let gradient = try Matrix(rows: Self.length + 1, columns: Self.tags)
    let unused = try Matrix(rows: Self.length + 1, columns: Self.tags)
    let reference: [Int32] = [0, 0, 2, 1]
    _ = field.loss(emissions: emissions, first: 0, reference: reference[...], scale: 0.5, gradient: gradient)
    let byTransition = try Matrix(rows: Self.tags + 1, columns: Self.tags + 1)
    for i in 0...Self.tags { for j in 0...Self.tags { byTransition[i, j] = field.transitions.gradient[i, j] } }
    func difference(_ matrix: Matrix, _ i: Int, _ j: Int) -> Double {
      let (value, step) = (matrix[i, j], Float(1e-2))
      var losses: [Double] = []
      for move in [step, -step] {
        matrix[i, j] = value + move
        losses.append(
          field.loss(emissions: emissions, first: 0, reference: reference[...], scale: 1, gradient: unused))
      }
      matrix[i, j] = value
      return 0.5 * (losses[0] - losses[1]) / Double(2 * step)
    }
    for t in 0..<Self.length {
      for j in 0..<Self.tags { #expect(abs(difference(emissions, t, j) - Double(gradient[t, j])) < 1e-4) }
    }
    for i in 0...Self.tags {
      for j in 0...Self.tags {
        #expect(abs(difference(field.transitions.value, i, j) - Double(byTransition[i, j])) < 1e-4)
      }
    }
  }

  @Test func decodingFindsTheBestSequence() throws {
    let (field, emissions) = try field()
    let best = allPaths.max { score($0, field, emissions, first: 1) < score($1, field, emissions, first: 1) }
    #expect(field.decode(emissions: emissions, first: 1, length: Self.length) == best?.map(Int32.init))
    #expect(field.decode(emissions: emissions, first: 0, length: 0) == [])
    #expect(field.decode(emissions: emissions, first: 0, length: 1).count == 1)
  }
}
