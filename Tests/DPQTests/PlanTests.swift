import Testing

@testable import DPQ

@Suite struct PlanTests {
  @Test func defaultsAre256CodesOfWidthFour() throws {
    let table = try Made.table(rows: 300, dimension: 50)
    let layout = try Compressor().plan(for: table).layout
    #expect(layout.codes == 256 && layout.groups == 13 && layout.width == 4)
  }

  @Test func goalsAreMetAndUsed() throws {
    let table = try Made.table(rows: 3000, dimension: 24, words: true)
    for target in [14_000, 20_000, 30_000, 60_000] {
      let options = Made.options { $0.goal = .fileBytes(90_000 + target) }
      let plan = try Compressor(options).plan(for: table)
      #expect(plan.fileBytes <= 90_000 + target)
      #expect(Double(plan.fileBytes) > 0.9 * Double(90_000 + target), "\(plan.layout)")
    }
    for ratio in [3.0, 8, 16, 30] {
      let plan = try Compressor(Made.options { $0.goal = .ratio(ratio) }).plan(for: table)
      #expect(plan.ratio >= ratio && plan.ratio < 1.3 * ratio, "\(plan.layout)")
    }
    for bits in [0.8, 2.0, 4] {
      let plan = try Compressor(Made.options { $0.goal = .bitsPerDimension(bits) }).plan(for: table)
      #expect(plan.bitsPerDimension <= bits)
      #expect(abs(plan.bitsPerDimension * plan.ratio - 32) < 1e-9)
    }
  }

  @Test func goalsLargerThanTheTableStopAtTheTable() throws {
    let table = try Made.table(rows: 600, dimension: 12)
    for goal in [CompressionOptions.Goal.fileBytes(10_000_000), .ratio(0.1), .bitsPerDimension(100)] {
      let plan = try Compressor(Made.options { $0.goal = goal }).plan(for: table)
      #expect(plan.fileBytes <= table.tableBytes, "\(goal): \(plan.layout)")
    }
    // So small a table that every file is larger.
    let tiny = try Made.table(rows: 4, dimension: 2)
    #expect(try Compressor(Made.options { $0.goal = .ratio(0.01) }).plan(for: tiny).fileBytes > tiny.tableBytes)
  }

  @Test func theSizeChosenIsTheSizeWritten() throws {
    var generator = DPQ.SeededGenerator(seed: 3)
    for _ in 0..<40 {
      let rows = 2 + generator.index(below: 120)
      let dimension = 1 + generator.index(below: 20)
      let table = try Made.table(
        rows: rows, dimension: dimension, seed: generator.next(), words: generator.index(below: 2) == 0)
      let valid = (1...dimension).filter { CodeLayout.isValid(groups: $0, dimension: dimension) }
      let options = Made.options {
        $0.groups = valid[generator.index(below: valid.count)]
        $0.codes = 2 + generator.index(below: rows - 1)
        $0.isShared = generator.index(below: 2) == 0
        $0.metric = generator.index(below: 2) == 0 ? .l2 : .cosine
        $0.codebookStorage = generator.index(below: 2) == 0 ? .float32 : .float16
        $0.epochs = 2
        $0.seed = generator.next()
      }
      let output = TemporaryPath("sweep.dpq")
      let plan = try Compressor(options).plan(for: table)
      #expect(try Compressor(options).compress(table).model.write(to: output.path) == plan.fileBytes)
      let file = try CompressedTable(path: output.path)
      #expect(file.fileBytes == plan.fileBytes && file.layout == plan.layout)
    }
  }

  @Test func fixedPartsStayFixed() throws {
    let table = try Made.table(rows: 2000, dimension: 24)
    let groups = try Compressor(
      Made.options {
        $0.goal = .ratio(12)
        $0.groups = 6
      }
    ).plan(for: table)
    #expect(groups.layout.groups == 6 && groups.ratio >= 12)
    let codes = try Compressor(
      Made.options {
        $0.goal = .ratio(12)
        $0.codes = 16
        $0.isShared = true
      }
    ).plan(for: table)
    #expect(codes.layout.codes == 16 && codes.layout.isShared && codes.ratio >= 12)
  }

  @Test func impossibleGoalsNameWhatIsPossible() throws {
    let table = try Made.table(rows: 500, dimension: 10)
    func message(_ goal: CompressionOptions.Goal) -> String {
      do {
        _ = try Compressor(Made.options { $0.goal = goal }).plan(for: table)
        return "met"
      } catch { return error.message }
    }
    let smallest = message(.fileBytes(10))
    #expect(smallest.contains("smallest possible file has"))
    let bytes = try #require(
      smallest.split(separator: " ").compactMap { Int($0) }.first)
    #expect(message(.fileBytes(bytes)) == "met")
    #expect(message(.fileBytes(bytes - 1)) != "met")
    #expect(message(.ratio(1e6)).contains("largest possible ratio is"))
    #expect(message(.bitsPerDimension(1e-6)).contains("fewest possible bits"))
    #expect(message(.ratio(.nan)).contains("not possible"))
    #expect(message(.fileBytes(1 << 40)) == "met")
  }
}
