extension CompressedModel {
  /// Writes the model as a `.dpq` file and returns its bytes.
  ///
  /// The file appears at `path` only when it is complete. Equal models give equal bytes.
  ///
  /// - Throws: `cannotCreateOutput` where the folder cannot be written, or the file exists and `replacing` is false;
  ///   `inputOutput` where writing fails.
  @discardableResult
  public func write(to path: String, replacing: Bool = false) throws(DPQError) -> Int {
    let parts = parts
    var file = try AtomicFile(path: path, replacing: replacing)
    var total = 0
    for part in parts {
      // A typed throw does not pass through `withUnsafeBytes` of an array, so the result carries it.
      let result = part.withUnsafeBytes { bytes in
        Result { () throws(DPQError) in try file.write(bytes) }.map { bytes.count }
      }
      total += try result.get()
    }
    try file.commit()
    return total
  }

  /// The bytes that ``write(to:replacing:)`` would write.
  ///
  /// - Throws: `outOfMemory`.
  func serialized() throws(DPQError) -> AlignedBuffer<UInt8> {
    let memory = try AlignedBuffer<UInt8>(count: fileBytes)
    var place = 0
    for part in parts {
      part.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory.bufferPointer)[place...])
          .copyMemory(from: $0)
        place += $0.count
      }
    }
    precondition(place == memory.count)
    return memory
  }

  /// All rows, decoded by the same code that reads files.
  ///
  /// - Parameter threads: 0 for all processors.
  /// - Throws: `outOfMemory`.
  package func decoded(threads: Int = 0) throws(DPQError) -> Matrix {
    let table = try CompressedTable(contents: serialized())
    let rows = try Matrix(rows: table.rows, columns: table.dimension)
    var values = rows.mutableValues
    try table.read(first: 0, count: table.rows, into: &values, threads: threads)
    return rows
  }

  /// The file, part after part: the header and the tensors.
  private var parts: [TensorData] {
    let shape = shape
    let tensors = shape.tensors.map { data(of: $0.content) }
    let checksums = tensors.map { $0.withUnsafeBytes { Kernels.checksum($0) } }
    let draft = shape.header(checksums: checksums, ownChecksum: 0)
    let own = draft[8...].withUnsafeBytes { Kernels.checksum($0) }
    return [.bytes(shape.header(checksums: checksums, ownChecksum: own))] + tensors
  }

  /// The bytes of a tensor, little endian as memory holds them.
  private enum TensorData {
    case bytes([UInt8])
    case offsets([UInt64])
    case floats([Float])
    case halves([Float16])

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
      switch self {
      case .bytes(let values): values.withUnsafeBytes(body)
      case .offsets(let values): values.withUnsafeBytes(body)
      case .floats(let values): values.withUnsafeBytes(body)
      case .halves(let values): values.withUnsafeBytes(body)
      }
    }
  }

  private func data(of tensor: FileShape.Content) -> TensorData {
    switch tensor {
    case .vocabularyOffsets: return .offsets(vocabulary?.offsets ?? [])
    case .vocabularyOrder: return .offsets(vocabulary?.order ?? [])
    case .vocabularyBytes: return .bytes(vocabulary?.bytes ?? [])
    case .normCodebook: return .floats(norms?.codebook ?? [])
    case .normCodes: return .bytes(norms?.codes ?? [])
    case .tierMap: return .bytes(map?.packed ?? [])
    case .tierRank: return .offsets(map?.rank ?? [])
    case .codes(let tier): return .bytes(tiers[tier].codes)
    case .codebook(let tier), .basis(let tier):
      switch tiers[tier].codewords {
      case .concat(let codebook): return Self.stored(codebook.values, as: codebook.storage)
      case .binary(let basis): return Self.stored(basis.values, as: basis.storage)
      }
    case .bias(let tier):
      guard case .binary(let basis) = tiers[tier].codewords else { return .bytes([]) }
      return Self.stored(basis.bias, as: basis.storage)
    case .encoderKeys(let tier): return .floats(tiers[tier].encoder?.keys ?? [])
    case .encoderMean(let tier):
      return .floats(tiers[tier].encoder.map { Array($0.statistics.prefix($0.layout.codes)) } ?? [])
    case .encoderVariance(let tier):
      return .floats(tiers[tier].encoder.map { Array($0.statistics.dropFirst($0.layout.codes)) } ?? [])
    }
  }

  private static func stored(_ values: [Float], as storage: Codebook.Storage) -> TensorData {
    storage == .float32 ? .floats(values) : .halves(values.map { Float16($0) })
  }
}
