import Testing

@testable import DPQ

@Suite struct EmbeddingLayerTests {
  @Test func uniqueRowsAreAscendingAndEachOnce() {
    var generator = DPQ.SeededGenerator(seed: 4)
    for rows in [1, 63, 64, 65, 1000] {
      var unique = UniqueRows(rows: rows)
      for count in [0, 1, 7, 300] {
        let ids = (0..<count).map { _ in Int32(generator.index(below: rows)) }
        unique.load(ids.span)
        #expect(unique.ids == Set(ids).sorted())
        #expect(unique.places.map { unique.ids[Int($0)] } == ids)
      }
    }
  }

  @Test(arguments: [1, 2]) func repeatedIdsAddUp(threads: Int) throws {
    let layer = try FullEmbedding(rows: 20, dimension: 5, seed: 1, threads: threads)
    let ids: [Int32] = [7, 0, 7, 19, 7]
    var output = [Float](repeating: 0, count: 25)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: true)
    for (i, id) in ids.enumerated() {
      for c in 0..<5 { #expect(output[i * 5 + c] == layer.table.value[Int(id), c]) }
    }
    let upstream = (0..<25).map { Float($0) }
    try layer.backward(upstream.span)
    #expect(layer.table.touchedRows == [0, 7, 19])
    #expect((0..<5).map { layer.table.gradient[1, $0] } == (0..<5).map { Float(30 + 3 * $0) })
    #expect((0..<5).map { layer.table.gradient[0, $0] } == (5..<10).map { Float($0) })
  }

  @Test func mistakesAreNamed() throws {
    let layer = try FullEmbedding(rows: 20, dimension: 5)
    var output = [Float](repeating: 0, count: 5)
    func forward(_ ids: [Int32]) throws(DPQError) {
      var span = output.mutableSpan
      try layer.forward(ids.span, into: &span, training: true)
    }
    for id: Int32 in [-1, 20] {
      #expect { try forward([id]) } throws: { ($0 as? DPQError)?.code == .unknownRow }
    }
    #expect { try forward([1, 2]) } throws: { ($0 as? DPQError)?.code == .invalidArgument }
    try forward([1])
    #expect { try layer.backward([Float](repeating: 0, count: 6).span) } throws: {
      ($0 as? DPQError)?.code == .invalidArgument
    }
    #expect(throws: DPQError.self) { try FullEmbedding(rows: 0, dimension: 5) }
    let exported = try layer.export(vocabulary: nil, recipe: "{}")
    #expect(exported == nil)
    #expect(layer.storedBytes == 400 && layer.storedRatio == 1)
  }
}
