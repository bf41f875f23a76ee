#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension MemoryRegion {
  /// Reverses the bytes of every element in `range`, in place; before the region is handed out.
  func swapBytes(_ range: Range<Int>, elementBytes: Int) throws(DPQError) {
    let bytes = UnsafeMutableRawBufferPointer(start: try beginEditing() + range.lowerBound, count: range.count)
    func swap<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) {
      for i in stride(from: 0, to: bytes.count, by: elementBytes) {
        let value = bytes.loadUnaligned(fromByteOffset: i, as: type)
        bytes.storeBytes(of: value.byteSwapped, toByteOffset: i, as: type)
      }
    }
    switch elementBytes {
    case 2: swap(UInt16.self)
    case 4: swap(UInt32.self)
    default: swap(UInt64.self)
    }
  }

  /// Moves rows that each follow a gap to the front of the region, without the gaps; before the region is handed out.
  func closeGaps(rows: Int, gap: Int, rowBytes: Int) throws(DPQError) {
    let memory = try beginEditing()
    for row in 0..<rows {
      memmove(memory + row * rowBytes, memory + row * (gap + rowBytes) + gap, rowBytes)
    }
  }

  /// A copy in row-major order of a column-major matrix that starts at `offset`.
  ///
  /// Columns are read a block at a time and their pages given back, so that a mapped file adds a block, not a second
  /// table, to the memory in use.
  func transposed(from offset: Int, rows: Int, columns: Int, elementBytes: Int) throws(DPQError) -> MemoryRegion {
    let output = try AlignedBuffer<UInt8>(count: rows * columns * elementBytes)
    let target = UnsafeMutableRawPointer(output.pointer)
    func turn<Value: BitwiseCopyable>(_ type: Value.Type) {
      let block = 16
      for first in stride(from: 0, to: columns, by: block) {
        let last = min(first + block, columns)
        for row in 0..<rows {
          for column in first..<last {
            let value = (base + offset + (column * rows + row) * elementBytes).loadUnaligned(as: type)
            target.storeBytes(of: value, toByteOffset: (row * columns + column) * elementBytes, as: type)
          }
        }
        releasePages(from: offset + first * rows * elementBytes, to: offset + last * rows * elementBytes)
      }
    }
    switch elementBytes {
    case 2: turn(UInt16.self)
    case 4: turn(UInt32.self)
    default: turn(UInt64.self)
    }
    return output.share()
  }

  /// Writes the mean of some rows of a float32 matrix, added one after another as fastText adds them.
  func writeMean(ofRows rows: [Int], matrixAt matrix: Int, columns: Int, to output: UnsafeMutableRawBufferPointer) {
    let sums = output.baseAddress!
    memset(sums, 0, 4 * columns)
    for row in rows {
      let values = base + matrix + 4 * row * columns
      for c in 0..<columns {
        let sum = sums.loadUnaligned(fromByteOffset: 4 * c, as: Float.self)
        let value = values.loadUnaligned(fromByteOffset: 4 * c, as: Float.self)
        sums.storeBytes(of: sum + value, toByteOffset: 4 * c, as: Float.self)
      }
    }
    let factor = Float(1.0 / Double(rows.count))
    for c in 0..<columns {
      let sum = sums.loadUnaligned(fromByteOffset: 4 * c, as: Float.self)
      sums.storeBytes(of: sum * factor, toByteOffset: 4 * c, as: Float.self)
    }
  }
}
