import Foundation
import Testing

@testable import DPQ

@Suite struct EvaluationTests {
  @Test func aTableAgainstItselfIsPerfect() throws {
    let table = try Made.table(rows: 150, dimension: 8)
    let result = try Evaluation.measure(table, against: table, samples: 50)
    #expect(result.mse == 0 && result.relativeError == 0 && result.recallAt10 == 1)
    #expect(abs(result.cosineMean - 1) < 1e-12 && abs(result.cosineP1 - 1) < 1e-6)
  }

  @Test func recallAndWorstRowsAreThoseOfABruteForce() throws {
    let table = try Made.table(rows: 120, dimension: 6)
    var values = try (0..<120).map { try table.row($0) }
    var generator = DPQ.SeededGenerator(seed: 4)
    for i in values.indices {
      for c in 0..<6 { values[i][c] += Float(generator.uniform() - 0.5) * (i == 17 ? 40 : 1) }
    }
    values[3] = [0, 0, 0, 0, 0, 0]
    let other = try Made.table(values)
    let result = try Evaluation.measure(other, against: table, samples: 1000)
    func cosine(_ a: [Float], _ b: [Float]) -> Double {
      var (aa, bb, ab) = (0.0, 0.0, 0.0)
      for (x, y) in zip(a, b) {
        aa += Double(x) * Double(x)
        bb += Double(y) * Double(y)
        ab += Double(x) * Double(y)
      }
      return aa * bb > 0 ? ab / (aa * bb).squareRoot() : 0
    }
    func nearest(_ i: Int, _ rows: [[Float]]) -> Set<Int> {
      let scores = rows.indices.filter { $0 != i }.map { ($0, cosine(rows[i], rows[$0])) }
      return Set(scores.sorted { ($0.1, $1.0) > ($1.1, $0.0) }.prefix(10).map(\.0))
    }
    let original = try (0..<120).map { try table.row($0) }
    var hits = 0
    for i in 0..<120 { hits += nearest(i, original).intersection(nearest(i, values)).count }
    #expect(abs(result.recallAt10 - Double(hits) / 1200) < 0.002)
    #expect(result.worstRows.count == 10 && result.worstRows[0].id == 17)
    #expect(result.worstRows.map(\.relativeError) == result.worstRows.map(\.relativeError).sorted(by: >))
    let same = try Evaluation.measure(other, against: table, samples: 1000, threads: 1)
    #expect(same.recallAt10 == result.recallAt10 && same.mse == result.mse)
    let cosines = (0..<120).map { cosine(original[$0], values[$0]) }
    #expect(abs(result.cosineMean - cosines.reduce(0, +) / 120) < 1e-9)
    #expect(abs(result.cosineP1 - cosines.sorted()[1]) < 1e-6)
  }

  @Test func exactNeighboursOfAPlainTable() throws {
    let table = try Made.table([[1, 0], [0, 2], [3, 3], [-1, 0], [0, 0], [2, 0]])
    let query: [Float] = [1, 0]
    func ids(_ similarity: Similarity, excluding: Int? = nil) throws -> [Int] {
      try table.neighbors(of: query.span, count: 3, similarity: similarity, excluding: excluding).map(\.id)
    }
    #expect(try ids(.cosine) == [0, 5, 2])
    #expect(try ids(.dot) == [2, 5, 0])
    #expect(try ids(.l2) == [0, 4, 5])
    #expect(try ids(.l2, excluding: 0) == [4, 5, 3])
    let distances = try table.neighbors(of: query.span, count: 10, similarity: .l2)
    #expect(distances.count == 6 && distances[1].score == 1 && distances[5].score == 13)
    #expect(throws: DPQError.self) { try table.neighbors(of: [1].span, count: 1) }
  }

  @Test func shapesMustAgree() throws {
    let table = try Made.table(rows: 20, dimension: 4)
    #expect(throws: DPQError.self) {
      try Evaluation.measure(try Made.table(rows: 21, dimension: 4), against: table)
    }
    #expect(throws: DPQError.self) { try Evaluation.measure(table, against: table, samples: 0) }
  }
}
