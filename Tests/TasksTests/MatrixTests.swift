import DPQ
import Testing

@Suite struct MatrixTests {
  @Test func valuesAreSharedAndZeroAtFirst() throws {
    let matrix = try Matrix(rows: 3, columns: 5)
    #expect(matrix.count == 15 && matrix[2, 4] == 0)
    var values = matrix.mutableValues
    values[7] = 2.5
    #expect(matrix[1, 2] == 2.5 && matrix.values[7] == 2.5)
  }

  @Test func impossibleSizesAreRefused() {
    #expect(throws: DPQError.self) { try Matrix(rows: .max, columns: 2) }
    #expect(throws: DPQError.self) { try Matrix(rows: -1, columns: 2) }
  }
}
