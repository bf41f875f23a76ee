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

  private func rows(_ layer: any EmbeddingLayer, _ ids: [Int32], training: Bool = false) throws -> [Float] {
    var output = [Float](repeating: 0, count: ids.count * layer.dimension)
    var span = output.mutableSpan
    try layer.forward(ids.span, into: &span, training: training)
    return output
  }

  @Test(arguments: [4, 6, 8]) func scalarsAreOffByHalfAStepAtMost(bits: Int) throws {
    let layer = try ScalarEmbedding(rows: 30, dimension: 13, bits: bits, scale: 1, seed: 2)
    let table = layer.parameters[0].value
    for c in 0..<13 { table[7, c] = 0 }
    let output = try rows(layer, (0..<30).map { Int32($0) }, training: true)
    for i in 0..<30 {
      let row = (0..<13).map { table[i, $0] }
      let step = row.map(abs).max()! / Float(1 << (bits - 1) - 1)
      for c in 0..<13 { #expect(abs(output[i * 13 + c] - row[c]) <= step * 0.5001) }
      #expect(Set(output[i * 13..<(i + 1) * 13]).count <= 1 << bits)
    }
    #expect(layer.storedBytes == 30 * ((13 * bits + 7) / 8 + 4))
    // Straight through the rounding.
    let upstream = (0..<30 * 13).map { Float($0) }
    try layer.backward(upstream.span)
    #expect(layer.parameters[0].gradient.array == upstream)
    #expect(throws: DPQError.self) { try ScalarEmbedding(rows: 30, dimension: 13, bits: 9) }
  }

  @Test(arguments: [1, 2]) func factorsHaveTheGradientsOfAProduct(threads: Int) throws {
    let layer = try LowRankEmbedding(rows: 11, dimension: 6, rank: 2, scale: 1, seed: 4, threads: threads)
    let ids: [Int32] = [3, 10, 3, 0]
    let output = try rows(layer, ids, training: true)
    let (u, v) = (layer.coordinates.value, layer.basis.value)
    for (i, id) in ids.enumerated() {
      for c in 0..<6 {
        let wanted = u[Int(id), 0] * v[0, c] + u[Int(id), 1] * v[1, c]
        #expect(abs(output[i * 6 + c] - wanted) < 1e-5)
      }
    }
    let upstream = (0..<24).map { Float($0 % 7) - 3 }
    try layer.backward(upstream.span)
    #expect(layer.coordinates.touchedRows == [0, 3, 10])
    func above(_ i: Int, _ c: Int) -> Float { upstream[i * 6 + c] }
    for k in 0..<2 {
      let wanted = (0..<6).reduce(Float(0)) { $0 + (above(0, $1) + above(2, $1)) * v[k, $1] }
      #expect(abs(layer.coordinates.gradient[1, k] - wanted) < 1e-4)
      for c in 0..<6 {
        let wanted = (0..<4).reduce(Float(0)) { $0 + u[Int(ids[$1]), k] * above($1, c) }
        #expect(abs(layer.basis.gradient[k, c] - wanted) < 1e-4)
      }
    }
    #expect(layer.storedBytes == 4 * (22 + 12))
    #expect(LowRankEmbedding.rank(rows: 11, dimension: 6, bytes: layer.storedBytes) == 2)
    let none: [Int32] = []
    #expect(try rows(layer, none, training: true).isEmpty)
    let nothing: [Float] = []
    try layer.backward(nothing.span)
    #expect(layer.basis.gradient.array.allSatisfy { $0 == 0 })
  }

  @Test func aTrainedTableIsCompressedAndPutInItsPlace() throws {
    let full = try FullEmbedding(rows: 100, dimension: 12, scale: 1, seed: 3)
    var options = CompressionOptions()
    options.groups = 4
    options.codes = 16
    let compression = try Compressor(options).compress(EmbeddingTable(full.table.value))
    let layer = try TableEmbedding(compression.model)
    let ids = (0..<100).map { Int32($0) }
    let (output, original) = (try rows(layer, ids), full.table.value.array)
    let error = zip(output, original).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) } / 1200
    #expect(abs(error - compression.mse) < 1e-6)
    #expect(layer.storedBytes == 100 * 2 + 4 * 16 * 12)
  }
}
