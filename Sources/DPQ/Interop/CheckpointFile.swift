/// A file that ``Checkpoint/write(to:metadata:tensors:best:)`` made, opened to take its matrices over.
package struct CheckpointFile {
  private let path: String
  private let region: MemoryRegion
  private let tensors: [(name: String, rows: Int, columns: Int, range: Range<Int>)]
  private let metadata: [(name: String, value: String)]

  /// Opens the file and reads its header.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` and `truncatedInput` for any other file.
  package init(path: String) throws(DPQError) {
    do throws(DPQError) {
      var file = try InputFile(path)
      let region = try file.contents()
      guard region.byteCount >= 8 else {
        throw DPQError(.truncatedInput, "is no checkpoint: it has \(region.byteCount) bytes")
      }
      var tensors: [(name: String, rows: Int, columns: Int, range: Range<Int>)] = []
      for tensor in try SafetensorsTable.parse(region) {
        guard tensor.type == "F32", tensor.shape.count == 2 else {
          throw DPQError(.malformedInput, "tensor \(tensor.name) is not a float32 matrix: this is no checkpoint")
        }
        tensors.append((tensor.name, tensor.shape[0], tensor.shape[1], tensor.range))
      }
      var metadata: [(name: String, value: String)] = []
      let length = Int(region.span.integer(at: 0, as: UInt64.self))
      let header = try JSONDocument(region, 8..<(8 + length))
      header.root["__metadata__"]?.forEachMember { name, value in
        let name = String(decoding: JSONDocument.unescape(name), as: UTF8.self)
        if let text = value.string { metadata.append((name, text)) }
      }
      self.path = path
      self.region = region
      self.tensors = tensors
      self.metadata = metadata
    } catch {
      throw error.inFile(path)
    }
  }

  /// Opens the checkpoint of a run to go on with it; `nil` where there is none yet.
  ///
  /// - Parameter identity: What that run must have been, by the names of its notes.
  /// - Throws: As ``init(path:)``; `malformedInput` for another run.
  package static func open(
    _ path: String, of identity: [(name: String, value: String)]
  ) throws(DPQError) -> CheckpointFile? {
    let checkpoint: CheckpointFile
    do throws(DPQError) {
      checkpoint = try CheckpointFile(path: path)
    } catch  where error.code == .inputNotFound {
      return nil
    }
    for (name, value) in identity where checkpoint[name] != value {
      throw DPQError(
        .malformedInput, "is of a run with other \(name): resume with what that run had, or start another folder",
        .init(file: path))
    }
    return checkpoint
  }

  /// The note `name`, if there is one.
  package subscript(name: String) -> String? { metadata.first { $0.name == name }?.value }

  /// Names of the matrices.
  package var names: [String] { tensors.map(\.name) }

  /// Copies the matrix that each name stands for into `targets`.
  ///
  /// - Throws: `malformedInput` where one is missing or has another shape.
  package func restore(_ targets: [(name: String, value: Matrix)]) throws(DPQError) {
    for (name, target) in targets {
      let bytes = try bytes(name, target)
      UnsafeMutableRawBufferPointer(start: target.pointer, count: bytes.count).copyMemory(from: bytes)
    }
  }

  /// Has `snapshot` keep the best values of `targets`, which stay as they are.
  ///
  /// - Throws: As ``restore(_:)``; `inputOutput`.
  package func restoreBest(of targets: [(name: String, value: Matrix)], to snapshot: Snapshot) throws(DPQError) {
    var parts: [Snapshot.Part] = []
    for (name, target) in targets {
      parts.append((name, target.rows, target.columns, try bytes("best.\(name)", target)))
    }
    try snapshot.keep(parts)
  }

  private func bytes(_ name: String, _ target: Matrix) throws(DPQError) -> UnsafeRawBufferPointer {
    guard let own = tensors.first(where: { $0.name == name }), own.rows == target.rows, own.columns == target.columns
    else {
      throw DPQError(
        .malformedInput, "has no \(name) of \(target.rows) × \(target.columns): it is of another model",
        .init(file: path))
    }
    return UnsafeRawBufferPointer(rebasing: region.bytes[own.range])
  }
}
