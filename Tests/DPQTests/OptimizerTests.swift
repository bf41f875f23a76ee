import Testing

@testable import DPQ

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct OptimizerTests {
  /// A parameter of random values whose gradient is random too: of all rows, or of `rows`.
  private func parameter(_ rows: Int, _ columns: Int, touched: [Int32]? = nil, seed: UInt64 = 7) throws -> Parameter {
    let value = try Matrix(rows: rows, columns: columns)
    value.fillUniformly(scale: 1, seed: seed, stream: 1)
    let parameter =
      touched == nil
      ? try Parameter(name: "p", value: value) : try Parameter(name: "p", value: value, touchedCapacity: 1)
    if let touched { try parameter.prepareGradient(of: touched) }
    parameter.gradient.fillUniformly(scale: 1, seed: seed, stream: 2)
    return parameter
  }

  @Test func adamFindsAMinimum() throws {
    let parameter = try Parameter(name: "p", value: Matrix(rows: 1, columns: 3))
    parameter.value[0, 0] = 5
    parameter.value[0, 1] = -3
    let adam = try Adam([parameter], decay: (0.9, 0.99), epsilon: 1e-20)
    for step in 0..<600 {
      parameter.gradient[0, 0] = 2 * (parameter.value[0, 0] - 1)
      parameter.gradient[0, 1] = 20 * (parameter.value[0, 1] - 2)
      adam.rate = 0.1 * (1 - Float(step) / 600)
      try adam.step()
    }
    #expect(abs(parameter.value[0, 0] - 1) < 1e-2 && abs(parameter.value[0, 1] - 2) < 1e-2)
    #expect(parameter.value[0, 2] == 0)
  }

  /// Against the formulas in float64, with rows that come and go.
  @Test(arguments: [1, 2]) func adamFollowsItsFormulas(threads: Int) throws {
    let (rows, columns) = (300, 33)
    let parameter = try parameter(rows, columns, touched: [])
    let adam = try Adam([parameter], rate: 0.01, threads: threads)
    var wanted = parameter.value.array.map(Double.init)
    var first = [Double](repeating: 0, count: wanted.count)
    var second = first
    for step in 1...5 {
      let touched = (0..<rows).filter { $0 % (step + 1) == 0 }.map(Int32.init)
      try parameter.prepareGradient(of: touched)
      parameter.gradient.fillUniformly(scale: 1, seed: 3, stream: UInt64(step))
      try adam.step()
      for (i, row) in touched.enumerated() {
        for c in 0..<columns {
          let (at, g) = (Int(row) * columns + c, Double(parameter.gradient[i, c]))
          first[at] = 0.9 * first[at] + 0.1 * g
          second[at] = 0.999 * second[at] + 0.001 * g * g
          let decays = (_pow(0.9, step), _pow(0.999, step))
          wanted[at] -=
            0.01 * (1 - decays.1).squareRoot() / (1 - decays.0) * first[at] / (second[at].squareRoot() + 1e-8)
        }
      }
    }
    let off = zip(wanted, parameter.value.array).map { abs($0 - Double($1)) }.max()!
    #expect(off < 1e-5)
  }

  private func _pow(_ base: Double, _ exponent: Int) -> Double { (0..<exponent).reduce(1) { x, _ in x * base } }

  @Test func descentClipsByTheNormOfAllGradients() throws {
    let (a, b) = (try parameter(40, 9), try parameter(500, 17, touched: [3, 77, 499]))
    var squares = 0.0
    for value in a.gradient.array { squares += Double(value) * Double(value) }
    for i in 0..<3 {
      for c in 0..<17 { squares += Double(b.gradient[i, c]) * Double(b.gradient[i, c]) }
    }
    let sgd = SGD([a, b], rate: 0.5, clippingNorm: 2)
    #expect(abs(sgd.gradientNorm() - squares.squareRoot()) < 1e-9 && squares > 4)
    let (beforeA, beforeB) = (a.value[1, 2], b.value[77, 5])
    let still = b.value[78, 5]
    try sgd.step()
    let scale = 0.5 * 2 / Float(squares.squareRoot())
    #expect(abs(a.value[1, 2] - (beforeA - scale * a.gradient[1, 2])) < 1e-6)
    #expect(abs(b.value[77, 5] - (beforeB - scale * b.gradient[1, 5])) < 1e-6)
    #expect(b.value[78, 5] == still)
    sgd.clippingNorm = 1e9
    let free = a.value[1, 2]
    try sgd.step()
    #expect(abs(a.value[1, 2] - (free - 0.5 * a.gradient[1, 2])) < 1e-6)
  }

  /// Large enough that two threads do share the work.
  @Test func stepsAreTheSameBytesAtAnyThreadCount() throws {
    func run(_ threads: Int) throws -> [Float] {
      let parameter = try parameter(9000, 101)
      let sgd = SGD([parameter], rate: 0.1, clippingNorm: 1, threads: threads)
      try sgd.step()
      try Adam([parameter], threads: threads).step()
      return parameter.value.array
    }
    let (one, two) = (try run(1), try run(2))
    #expect(one == two)
  }

  @Test func aLazyOptimizerGoesOnFromItsBuffers() throws {
    let (a, b) = (try parameter(50, 8), try parameter(50, 8))
    let first = try Adam([a])
    for _ in 0..<3 { try first.step() }
    b.value.copy(from: a.value)
    let second = try Adam([b])
    for (from, to) in zip(first.buffers, second.buffers) {
      #expect(from.name == to.name)
      to.value.copy(from: from.value)
    }
    try first.step()
    try second.step()
    #expect(a.value.array == b.value.array)
  }

  #if canImport(Glibc)
    /// Large pages would be two megabytes for each row that was touched.
    @Test func rowsThatAreNeverTouchedTakeNoMemory() throws {
      let matrix = try Matrix(rows: 64, columns: 1 << 20)
      for row in stride(from: 0, to: 64, by: 4) { matrix[row, 5] = 1 }
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      var resident = [UInt8](repeating: 0, count: matrix.count * MemoryLayout<Float>.stride / page)
      #expect(mincore(matrix.pointer, resident.count * page, &resident) == 0)
      #expect(resident.count { $0 & 1 == 1 } == 16)
    }
  #endif
}
