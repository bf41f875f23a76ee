import Testing

@testable import DPQ

@Suite struct TrainingTests {
  @Test func generatorIsSplitMixAndStreamsDiffer() {
    var a = DPQ.SeededGenerator(seed: 1)
    var b = DPQ.SeededGenerator(seed: 1, stream: 1)
    var c = DPQ.SeededGenerator(seed: 1)
    #expect(a.next() != b.next())
    #expect(c.next() != a.next())
    var mean = 0.0
    for _ in 0..<10_000 {
      let value = a.uniform()
      #expect(value >= 0 && value < 1)
      mean += value / 10_000
    }
    #expect(abs(mean - 0.5) < 0.02)
    #expect(a.permutation(50).sorted() == Array(0..<50))
    for (count, bound) in [(10, 10), (3, 100), (7, 1000), (1, 1), (0, 5)] {
      let ids = a.evenSample(count, below: bound)
      #expect(ids.count == count && Set(ids).count == count && ids == ids.sorted())
      #expect(ids.allSatisfy { (0..<bound).contains($0) })
    }
  }

  @Test func emptyCodewordsAreGivenRows() throws {
    let table = try Made.table(rows: 400, dimension: 4, clusters: 8)
    let layout = try CodeLayout(dimension: 4, groups: 2, codes: 8)
    // All codewords but one far from every row.
    let codebook = (0..<layout.codebookCount).map { Float($0 / layout.width % 8 == 0 ? 0 : 1000) }
    var kmeans = try KMeans(
      TrainingSet(rows: Rows(table), weights: nil), layout: layout, codebook: codebook, seed: 1, threads: 1)
    try kmeans.step()
    #expect(kmeans.codesInUse == 2)
    for _ in 0..<6 { try kmeans.step() }
    #expect(kmeans.codesInUse == 16)
  }

  @Test func plainSweepsNeverRaiseTheErrorAndAccelerationLowersIt() throws {
    let table = try Made.table(rows: 3000, dimension: 8, clusters: 200)
    let training = try TrainingSet(rows: Rows(table), weights: nil)
    let layout = try CodeLayout(dimension: 8, groups: 2, codes: 32)
    let first = try KMeans.initialCodebook(training, layout: layout, seed: 1)
    var plain = try KMeans(training, layout: layout, codebook: first, seed: 1, threads: 2)
    var fast = try KMeans(training, layout: layout, codebook: first, seed: 1, threads: 2)
    var last = Double.infinity
    for sweep in 0..<25 {
      try plain.step()
      let error = plain.errors.reduce(0, +)
      #expect(error <= last * (1 + 1e-6))
      last = error
      try fast.step(accelerating: sweep < 23)
    }
    #expect(fast.error < plain.error)
  }

  @Test(arguments: [2043, 2048]) func theFirstThirdOfARunGoesOverASampleOfEnoughRows(_ rows: Int) throws {
    let table = try Made.table(rows: rows, dimension: 6, clusters: 60)
    let layout = try CodeLayout(dimension: 6, groups: 2, codes: 8)
    let weights = (0..<rows).map { 1 / Float(1 + $0 % 5) }
    for weights in [nil, weights] {
      let training = try TrainingSet(rows: Rows(table), weights: weights)
      let first = try KMeans.initialCodebook(training, layout: layout, seed: 1)
      var run = try KMeans(training, layout: layout, codebook: first, seed: 1, threads: 2)
      var whole = try KMeans(training, layout: layout, codebook: first, seed: 1, threads: 2)
      for sweep in 1...12 {
        try run.step(sweep, of: 12)
        try whole.step(accelerating: sweep <= 10)
        // What a sample says of the error is an estimate of that of all rows.
        let ratio = run.errors.reduce(0, +) / whole.errors.reduce(0, +)
        #expect(abs(ratio - 1) < 0.1)
      }
      #expect(run.rowsSwept == (rows < 4 * 64 * 8 ? 12 * rows : 4 * rows / 4 + 8 * rows))
      #expect(whole.rowsSwept == 12 * rows)
      run.restoreBest()
      whole.restoreBest()
      #expect(abs(run.error / whole.error - 1) < 0.02)
      #expect((run.codebook == whole.codebook) == (rows < 2048))
    }
  }

  @Test func aSampleKeepsTheFactorsOfItsRows() throws {
    let table = try Made.table(rows: 11, dimension: 3)
    let factors = try MemoryRegion.copy(of: (0..<11).map { Float($0) + 0.5 })
    for rows in [Rows(table), Rows(table, factors: factors)] {
      let part = try rows.every(4)
      #expect(part.count == 3)
      let all = try AlignedBuffer<Float>(count: 33)
      let some = try AlignedBuffer<Float>(count: 9)
      try rows.read(first: 0, count: 11, into: all, stride: 3)
      try part.read(first: 0, count: 3, into: some, stride: 3)
      for i in 0..<9 { #expect(some[i] == all[i / 3 * 12 + i % 3]) }
    }
  }

  @Test func sharedPaddedGroupsAverageOnlyWhatTheyHold() throws {
    // Two groups of two values; the second holds one: the codeword's second value is the mean of first groups alone.
    let table = try Made.table([[1, 10, 1], [1, 20, 1], [9, 50, 9], [9, 70, 9]])
    let layout = try CodeLayout(dimension: 3, groups: 2, codes: 2, isShared: true)
    var kmeans = try KMeans(
      TrainingSet(rows: Rows(table), weights: nil), layout: layout, codebook: [0, 0, 9, 60], seed: 1, threads: 1)
    try kmeans.step()
    #expect(zip(kmeans.codebook, [1, 15, 9, 60]).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func normsAreQuantisedInOrderWithZeroKept() {
    var generator = DPQ.SeededGenerator(seed: 5)
    let norms = (0..<5000).map { $0 % 50 == 0 ? 0 : Float(1 + 3 * generator.uniform()) }
    let quantized = NormQuantizer.quantize(norms)
    #expect(quantized.codebook.count == 256 && quantized.codebook == quantized.codebook.sorted())
    #expect(quantized.codebook[0] == 0)
    for (norm, code) in zip(norms, quantized.codes) {
      let chosen = quantized.codebook[Int(code)]
      if norm == 0 {
        #expect(chosen == 0)
        continue
      }
      #expect(abs(chosen - norm) < 0.03)
      #expect(quantized.codebook.dropFirst().allSatisfy { abs($0 - norm) >= abs(chosen - norm) })
    }
    #expect(NormQuantizer.quantize([0, 0]).codes == [0, 0])
    #expect(NormQuantizer.quantize([2]).codebook[Int(NormQuantizer.quantize([2]).codes[0])] == 2)
  }
}
