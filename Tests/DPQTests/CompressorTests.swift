import Foundation
import Testing

@testable import DPQ

@Suite struct CompressorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var method = CompressionOptions.Method.kmeans
    var rows = 300
    var dimension = 12
    var groups = 4
    var codes = 16
    var isShared = false
    var metric = Metric.l2
    var storage = Codebook.Storage.float32
    var offset: Float = 0
    var testDescription: String {
      "\(method) \(rows)×\(dimension) \(groups)×\(codes) \(isShared ? "shared " : "")\(metric) \(storage) +\(offset)"
    }
    var options: CompressionOptions {
      Made.options {
        $0.method = method
        $0.groups = groups
        $0.codes = codes
        $0.isShared = isShared
        $0.metric = metric
        $0.codebookStorage = storage
        $0.epochs = method == .kmeans ? 8 : 2
      }
    }
  }

  static let cases: [Case] = [
    Case(), Case(method: .vq), Case(method: .sx), Case(isShared: true), Case(dimension: 11), Case(metric: .cosine),
    Case(dimension: 11, isShared: true), Case(storage: .float16), Case(offset: 30), Case(codes: 5),
    Case(rows: 700, codes: 300), Case(groups: 12), Case(groups: 1), Case(method: .vq, dimension: 11, metric: .cosine),
    Case(method: .sx, dimension: 11, isShared: true), Case(rows: 16), Case(rows: 2, codes: 2),
  ]

  @Test(arguments: cases) func codesAreTheNearestInFloat64(_ test: Case) throws {
    let table = try Made.table(rows: test.rows, dimension: test.dimension, offset: test.offset)
    let model = try Compressor(test.options).compress(table).model
    for i in 0..<table.rows {
      var row = try table.row(i)
      if test.metric == .cosine {
        let norm = row.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        row = row.map { Float(Double($0) / norm) }
      }
      for j in 0..<model.layout.groups {
        let distances = (0..<model.layout.codes).map { model.distance(row, j, $0) }
        let best = distances.min()!
        let chosen = distances[model.code(i, j)]
        #expect(chosen <= best * (1 + 1e-5) + 1e-12, "row \(i) group \(j)")
        if test.metric == .l2 { #expect(model.code(i, j) == distances.firstIndex(of: best)) }
      }
    }
  }

  @Test(arguments: CompressionOptions.Method.allCases, [Metric.l2, .cosine])
  func aTableOfZerosComesBack(_ method: CompressionOptions.Method, _ metric: Metric) throws {
    let table = try Made.table([[Float]](repeating: [Float](repeating: 0, count: 6), count: 40))
    let options = Made.options {
      $0.method = method
      $0.metric = metric
      if method == .binary { $0.bits = 8 } else { $0.codes = 4 }
      $0.epochs = 2
    }
    let compression = try Compressor(options).compress(table)
    #expect(compression.mse == 0 && compression.relativeError == 0)
  }

  @Test(arguments: cases) func filesAreEqualAtAnyThreadCountAndHaveThePlannedBytes(_ test: Case) throws {
    let table = try Made.table(rows: test.rows, dimension: test.dimension, offset: test.offset, words: true)
    var files: [Data] = []
    for threads in [1, 2, 3, 1] {
      var options = test.options
      options.threads = threads
      let output = TemporaryPath("model.dpq")
      let bytes = try Compressor(options).compress(table).model.write(to: output.path)
      files.append(try Data(contentsOf: URL(fileURLWithPath: output.path)))
      let plan = try Compressor(options).plan(for: table)
      #expect(plan.fileBytes == bytes)
      #expect(files.last!.count == bytes)
      #expect(plan.sections.reduce(0) { $0 + $1.bytes } == bytes)
    }
    #expect(Set(files).count == 1)
    var other = test.options
    other.seed = 2
    let output = TemporaryPath("model.dpq")
    _ = try Compressor(other).compress(table).model.write(to: output.path)
    #expect(try Data(contentsOf: URL(fileURLWithPath: output.path)) != files[0])
  }

  @Test(arguments: cases) func reportedErrorIsThatOfTheFile(_ test: Case) throws {
    let table = try Made.table(rows: test.rows, dimension: test.dimension, offset: test.offset, words: true)
    let result = try Compressor(test.options).compress(table)
    let output = TemporaryPath("model.dpq")
    _ = try result.model.write(to: output.path)
    let file = try CompressedTable(path: output.path)
    try file.verify()
    #expect(file.word(table.rows - 1) == "word\(table.rows - 1)")
    var (error, norm, cosines) = (0.0, 0.0, 0.0)
    for i in 0..<table.rows {
      let (x, y) = (try table.row(i), try file.row(i))
      var (xx, yy, xy) = (0.0, 0.0, 0.0)
      for (a, b) in zip(x, y) {
        error += (Double(a) - Double(b)) * (Double(a) - Double(b))
        xx += Double(a) * Double(a)
        yy += Double(b) * Double(b)
        xy += Double(a) * Double(b)
      }
      norm += xx
      cosines += xy / (xx * yy).squareRoot()
    }
    func close(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-5 * max(abs(a), abs(b)) + 1e-12 }
    #expect(close(result.mse, error / Double(table.rows * table.dimension)))
    #expect(close(result.relativeError, error / norm))
    #expect(close(result.cosineMean, cosines / Double(table.rows)))
    let evaluation = try Evaluation.measure(file, against: table, samples: 20)
    #expect(close(evaluation.mse, result.mse))
    #expect(close(evaluation.cosineMean, result.cosineMean))
    #expect(evaluation.cosineP1 <= evaluation.cosineMean + 1e-9)
    if test.method != .kmeans { #expect(result.mse <= result.startMSE!) }
  }

  @Test func moreCodesNeverGiveMoreError() throws {
    let table = try Made.table(rows: 500, dimension: 8, clusters: 40)
    var last = Double.infinity
    for codes in [2, 4, 8, 16, 32, 64, 128, 256] {
      let options = Made.options {
        $0.groups = 2
        $0.codes = codes
      }
      let error = try Compressor(options).compress(table).mse
      #expect(error < last)
      last = error
    }
  }

  @Test func oneCodeARowRebuildsTheTable() throws {
    let table = try Made.table(rows: 60, dimension: 6)
    let options = Made.options {
      $0.groups = 2
      $0.codes = 60
    }
    #expect(try Compressor(options).compress(table).mse < 1e-12)
  }

  @Test func fewDistinctRowsAndZerosComeBackExactly() throws {
    let distinct: [[Float]] = [[0, 0, 0, 0], [1, 2, 3, 4], [-2, 0, 1, 5]]
    let rows = (0..<50).map { distinct[$0 % 3] }
    for metric in Metric.allCases {
      let options = Made.options {
        $0.groups = 2
        $0.codes = 8
        $0.metric = metric
      }
      let result = try Compressor(options).compress(try Made.table(rows))
      #expect(result.mse < 1e-10, "\(metric)")
      let output = TemporaryPath("model.dpq")
      _ = try result.model.write(to: output.path)
      #expect(try CompressedTable(path: output.path).row(0) == [0, 0, 0, 0])
    }
    for method in CompressionOptions.Method.allCases {
      let options = Made.options {
        $0.method = method
        if method == .binary {
          $0.bits = 2
        } else {
          $0.groups = 1
          $0.codes = 2
        }
      }
      let result = try Compressor(options).compress(try Made.table([[0, 0], [0, 0], [0, 0]]))
      #expect(result.mse == 0 && result.relativeError == 0 && result.cosineMean == 1)
    }
  }

  @Test func theWeightTwoCountsAsTheRowTwice() throws {
    let table = try Made.table(rows: 80, dimension: 4)
    let base = try (0..<80).map { try table.row($0) }
    let doubled = try Made.table(base + Array(base[..<20]))
    let layout = try CodeLayout(dimension: 4, groups: 2, codes: 4)
    let first = (0..<layout.codebookCount).map { base[$0][$0 % 4] }
    let weights = (0..<80).map { Float($0 < 20 ? 2 : 1) }
    var a = try KMeans(
      TrainingSet(rows: Rows(table), weights: weights), layout: layout, codebook: first, seed: 1, threads: 2)
    var b = try KMeans(
      TrainingSet(rows: Rows(doubled), weights: nil), layout: layout, codebook: first, seed: 1, threads: 2)
    for sweep in 0..<8 {
      try a.step(accelerating: sweep < 6)
      try b.step(accelerating: sweep < 6)
      #expect(zip(a.errors, b.errors).allSatisfy { abs($0 - $1) < 1e-4 * $0 })
      #expect(zip(a.codebook, b.codebook).allSatisfy { abs($0 - $1) < 1e-4 })
    }
    // A weight that is all on one row makes that row exact.
    let single = Made.options {
      $0.groups = 2
      $0.codes = 4
      $0.weights = (0..<80).map { $0 == 33 ? 1 : 0 }
    }
    let model = try Compressor(single).compress(table).model
    #expect((0..<2).allSatisfy { model.distance(base[33], $0, model.code(33, $0)) < 1e-10 })
  }

  @Test func samplingTrainsOnSomeRowsAndCodesAll() throws {
    let table = try Made.table(rows: 2000, dimension: 8)
    let full = try Compressor(Made.options { $0.codes = 16 }).compress(table)
    let sampled = try Compressor(
      Made.options {
        $0.codes = 16
        $0.sample = 400
      }
    ).compress(table)
    #expect(sampled.model.rows == 2000)
    #expect(sampled.mse < 1.3 * full.mse)
    let limited = try Compressor(
      Made.options {
        $0.codes = 16
        $0.memoryBytes = 2 * 400 * 8 * 4
      }
    ).compress(table)
    #expect(limited.model.codes == sampled.model.codes)
    #expect(limited.model.recipe.contains("\"sample\":400"))
  }

  @Test func scratchTrainingLearns() throws {
    let table = try Made.table(rows: 1500, dimension: 8)
    for method in [CompressionOptions.Method.vq, .sx] {
      let options = Made.options {
        $0.method = method
        $0.start = .scratch
        $0.groups = 2
        $0.codes = 8
        $0.epochs = 4
      }
      let trained = try Compressor(options).compress(table)
      #expect(trained.startMSE == nil)
      var plain = options
      plain.method = .kmeans
      plain.epochs = 20
      #expect(trained.mse < 1.25 * (try Compressor(plain).compress(table).mse))
    }
  }

  @Test func stoppingThrowsAndProgressOnlyGrows() throws {
    let table = try Made.table(rows: 300, dimension: 8)
    for method in CompressionOptions.Method.allCases {
      let options = Made.options {
        $0.method = method
        if method == .binary { $0.bits = 8 } else { $0.codes = 8 }
        $0.epochs = 3
      }
      var fractions: [Double] = []
      var phases: [CompressionProgress.Phase] = []
      _ = try Compressor(options).compress(table) {
        fractions.append($0.fraction)
        phases.append($0.phase)
        return true
      }
      #expect(fractions == fractions.sorted() && fractions.first == 0 && fractions.last == 1)
      #expect(Set(phases) == Set(CompressionProgress.Phase.allCases))
      for stop in fractions.indices {
        var calls = 0
        let error = #expect(throws: DPQError.self) {
          try Compressor(options).compress(table) { _ in
            calls += 1
            return calls <= stop
          }
        }
        #expect(error?.code == .cancelled)
        #expect(calls == stop + 1)
      }
    }
  }

  @Test func impossibleOptionsAreRefused() throws {
    let table = try Made.table(rows: 20, dimension: 8)
    func code(_ change: (inout CompressionOptions) -> Void) -> DPQError.Code? {
      do {
        _ = try Compressor(Made.options(change)).compress(table)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(code { $0.codes = 21 } == .invalidArgument)
    #expect(code { _ in } == .invalidArgument, "256 codes for 20 rows")
    #expect(code { $0.codes = 1 } == .invalidArgument)
    #expect(
      code {
        $0.groups = 7; $0.codes = 4
      } == .invalidArgument)
    #expect(
      code {
        $0.weights = [1]; $0.codes = 4
      } == .invalidArgument)
    #expect(
      code {
        $0.weights = Array(repeating: 0, count: 20); $0.codes = 4
      } == .invalidArgument)
    #expect(
      code {
        $0.weights = Array(repeating: -1, count: 20); $0.codes = 4
      } == .invalidArgument)
    #expect(
      code {
        $0.epochs = 0; $0.codes = 4
      } == .invalidArgument)
    #expect(
      code {
        $0.sample = 0; $0.codes = 4
      } == .invalidArgument)
    let nothing: [Float] = []
    let empty = try EmbeddingTable(rows: 0, dimension: 3, values: nothing.span)
    #expect(throws: DPQError.self) { try Compressor().plan(for: empty) }
    let huge = try Made.table((0..<20).map { [1e6 * Float($0), 1] })
    #expect(throws: DPQError.self) {
      try Compressor(
        Made.options {
          $0.codes = 4
          $0.codebookStorage = .float16
        }
      ).compress(huge)
    }
  }

  @Test func valuesThatAreNotFiniteAreRefusedWithTheirRow() throws {
    var rows = Array(repeating: [Float](repeating: 1, count: 4), count: 30)
    rows[23][2] = .nan
    let table = try Made.table(rows)
    let error = failure { () throws(DPQError) in try Compressor(Made.options { $0.codes = 4 }).compress(table) }
    #expect(error?.code == .nonFiniteValue && error?.context.row == 23)
  }

  /// The error of faiss 1.15.1's `ProductQuantizer` (25 iterations, all rows, mean of five seeds) on real tables.
  @Test(arguments: [(10, 256, 0.049703), (25, 16, 0.037706)])
  func realTablesEndBelowFaiss(groups: Int, codes: Int, faiss: Double) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let shared =
      ProcessInfo.processInfo.environment["DPQ_SHARED"] ?? root.deletingLastPathComponent().path + "/shared"
    let path = shared + "/data/embeddings/glove.6B.50d.taskextra.f32.npy.zst"
    guard FileManager.default.fileExists(atPath: path) else {
      print("SKIPPED: no real table at \(path); set DPQ_SHARED to where it is")
      return
    }
    let table = try EmbeddingTable.read(path)
    let options = Made.options {
      $0.groups = groups
      $0.codes = codes
    }
    let result = try Compressor(options).compress(table)
    #expect(result.mse <= faiss)
    for i in stride(from: 0, to: table.rows, by: 311) {
      let row = try table.row(i)
      for j in 0..<groups {
        let distances = (0..<codes).map { result.model.distance(row, j, $0) }
        #expect(result.model.code(i, j) == distances.firstIndex(of: distances.min()!))
      }
    }
  }
}
