/// Matrices and notes in a safetensors file: where a training run stood, or the weights of a model.
package enum Checkpoint {
  /// Writes a file, which replaces another of its name only when it is complete.
  ///
  /// - Parameters:
  ///   - metadata: Notes by name; values are single lines.
  ///   - tensors: Matrices by name.
  ///   - best: Further matrices, called `best.` and the name they were kept under.
  /// - Throws: `cannotCreateOutput`, `inputOutput`.
  package static func write(
    to path: String, metadata: [(name: String, value: String)], tensors: [(name: String, value: Matrix)],
    best: Snapshot? = nil
  ) throws(DPQError) {
    var text = "{\"__metadata__\":{"
    text += metadata.map { "\(FileShape.quoted($0.name)):\(FileShape.quoted($0.value))" }.joined(separator: ",") + "}"
    var end = 0
    let kept = best?.shapes.map { ("best.\($0.name)", $0.rows, $0.columns) } ?? []
    for (name, rows, columns) in tensors.map({ ($0.name, $0.value.rows, $0.value.columns) }) + kept {
      let bytes = 4 * rows * columns
      text += ",\(FileShape.quoted(name)):{\"dtype\":\"F32\",\"shape\":[\(rows),\(columns)],"
      text += "\"data_offsets\":[\(end),\(end + bytes)]}"
      end += bytes
    }
    text += "}"
    while (8 + text.utf8.count) % 64 != 0 { text += " " }
    var file = try AtomicFile(path: path, replacing: true)
    try file.write([UInt64(text.utf8.count).littleEndian].span)
    try file.write(text)
    for (_, value) in tensors { try file.write(value.values) }
    try best?.copy(to: &file)
    try file.commit()
  }

  /// XXH3-64 of the words of a text, to tell one from another.
  package static func checksum(of text: [Int32]) -> UInt64 { text.withUnsafeBytes { Kernels.checksum($0) } }
}
