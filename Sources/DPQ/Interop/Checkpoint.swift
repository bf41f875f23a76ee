/// Matrices and notes in a safetensors file: where a training run stood, or the weights of a model.
package struct Checkpoint {
  /// Notes by name; values are single lines.
  package var metadata: [(name: String, value: String)]
  /// Matrices by name.
  package var tensors: [(name: String, value: Matrix)]

  /// Makes a checkpoint of these parts.
  package init(metadata: [(name: String, value: String)], tensors: [(name: String, value: Matrix)]) {
    self.metadata = metadata
    self.tensors = tensors
  }

  /// The note `name`, if there is one.
  package subscript(name: String) -> String? { metadata.first { $0.name == name }?.value }

  /// Writes the file, which replaces another of its name only when it is complete.
  ///
  /// - Throws: `cannotCreateOutput`, `inputOutput`.
  package func write(to path: String) throws(DPQError) {
    var text = "{\"__metadata__\":{"
    text += metadata.map { "\(FileShape.quoted($0.name)):\(FileShape.quoted($0.value))" }.joined(separator: ",") + "}"
    var end = 0
    for (name, value) in tensors {
      let bytes = 4 * value.count
      text += ",\(FileShape.quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(value.rows),\(value.columns)],"
      text += "\"data_offsets\":[\(end),\(end + bytes)]}"
      end += bytes
    }
    text += "}"
    while (8 + text.utf8.count) % 64 != 0 { text += " " }
    var file = try AtomicFile(path: path, replacing: true)
    try file.write([UInt64(text.utf8.count).littleEndian].span)
    try file.write(text)
    for (_, value) in tensors { try file.write(value.values) }
    try file.commit()
  }

  /// Reads a file that ``write(to:)`` made.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` and `truncatedInput` for any other file; `outOfMemory`.
  package init(path: String) throws(DPQError) {
    do throws(DPQError) {
      var file = try InputFile(path)
      let region = try file.contents()
      guard region.byteCount >= 8 else {
        throw DPQError(.truncatedInput, "is no checkpoint: it has \(region.byteCount) bytes")
      }
      tensors = []
      for tensor in try SafetensorsTable.parse(region) {
        guard tensor.type == "F32", tensor.shape.count == 2 else {
          throw DPQError(.malformedInput, "tensor \(tensor.name) is not a float32 matrix: this is no checkpoint")
        }
        let matrix = try Matrix(rows: tensor.shape[0], columns: tensor.shape[1])
        UnsafeMutableRawBufferPointer(start: matrix.pointer, count: 4 * matrix.count)
          .copyMemory(from: UnsafeRawBufferPointer(rebasing: region.bytes[tensor.range]))
        tensors.append((tensor.name, matrix))
      }
      metadata = []
      let length = Int(region.span.integer(at: 0, as: UInt64.self))
      let header = try JSONDocument(region, 8..<(8 + length))
      header.root["__metadata__"]?.forEachMember { name, value in
        let name = String(decoding: JSONDocument.unescape(name), as: UTF8.self)
        if let text = value.string { metadata.append((name, text)) }
      }
    } catch {
      throw error.inFile(path)
    }
  }

  /// XXH3-64 of the words of a text, to tell one from another.
  package static func checksum(of text: [Int32]) -> UInt64 { text.withUnsafeBytes { Kernels.checksum($0) } }

  /// Copies the matrix that each name stands for into `targets`.
  ///
  /// - Throws: `malformedInput` where one is missing or has another shape.
  package func restore(_ targets: [(name: String, value: Matrix)], path: String) throws(DPQError) {
    for (name, target) in targets {
      guard let own = tensors.first(where: { $0.name == name })?.value, own.rows == target.rows,
        own.columns == target.columns
      else {
        throw DPQError(
          .malformedInput, "has no \(name) of \(target.rows) × \(target.columns): it is of another model",
          .init(file: path))
      }
      target.copy(from: own)
    }
  }
}
