import Foundation

/// A seeded table with the structure of a real one: rows scattered around the centres of clusters.
struct Sample {
  let rows: Int
  let dimension: Int
  let values: [Float]

  init(rows: Int = 600, dimension: Int = 16, clusters: Int = 20, seed: UInt64 = 7) {
    var state = seed
    // SplitMix64: small, and the same everywhere.
    func uniform() -> Float {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Float((z ^ (z >> 31)) >> 40) / Float(1 << 24) * 2 - 1
    }
    let centres = (0..<clusters * dimension).map { _ in 2 * uniform() }
    self.rows = rows
    self.dimension = dimension
    values = (0..<rows * dimension).map { index in
      centres[index / dimension % clusters * dimension + index % dimension] + 0.3 * uniform()
    }
  }

  func row(_ id: Int) -> ArraySlice<Float> { values[id * dimension..<(id + 1) * dimension] }

  static func word(_ id: Int) -> String { "word\(id)" }

  /// Words and values, a row a line, without a header.
  var gloveText: String {
    (0..<rows).map { id in ([Self.word(id)] + row(id).map(\.description)).joined(separator: " ") + "\n" }.joined()
  }

  /// NumPy's format, version 1.0.
  var npy: Data { Self.npy(shape: "(\(rows), \(dimension))", values: values) }

  static func npy(shape: String, values: [Float]) -> Data {
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var data = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0])
    withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
    data += Data(header.utf8)
    values.withUnsafeBytes { data.append(contentsOf: $0) }
    return data
  }
}

extension Data {
  /// The bytes of `values` as they lie in memory.
  init<Value: BitwiseCopyable>(values: [Value]) {
    self = values.withUnsafeBytes { Data($0) }
  }

  /// The float32 values from `offset` on.
  func floats(from offset: Int = 0) -> [Float] {
    let bytes = dropFirst(offset)
    return [Float](unsafeUninitializedCapacity: bytes.count / 4) { buffer, count in
      count = bytes.copyBytes(to: UnsafeMutableRawBufferPointer(buffer)) / 4
    }
  }
}
