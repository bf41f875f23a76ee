import DPQ

/// The folder of a task's run: a checkpoint to go on from, the model, its embedding, the report and its pictures.
package struct RunFolder {
  /// Path of the folder.
  package let path: String

  /// Names the folder; nothing is made or looked at.
  package init(_ path: String) { self.path = path }

  /// What may be in it.
  package enum File: String {
    case checkpoint = "checkpoint.safetensors"
    case model = "model.safetensors"
    case embedding = "embedding.dpq"
    case words = "words.txt"
    case report = "report.json"
    case loss = "loss.svg"
    case accuracy = "accuracy.svg"
    case score = "score.svg"
    case codeUse = "code-use.svg"
    case codeChanges = "code-changes.svg"
    case tiers = "tiers.svg"
  }

  /// Path of a file in it.
  package func path(_ file: File) -> String {
    path.hasSuffix("/") ? path + file.rawValue : "\(path)/\(file.rawValue)"
  }

  /// Makes the folder where it is not there.
  ///
  /// - Throws: `cannotCreateOutput`.
  func create() throws(DPQError) { try OutputFolder.create(path) }

  /// Writes a text, in place of an earlier one.
  ///
  /// - Throws: `inputOutput`, `cannotCreateOutput`.
  func write(_ text: String, to file: File) throws(DPQError) {
    try TextFile.write(text, to: path(file), replacing: true)
  }

  /// Writes the report, the picture of its tiers where there are some, and that of the codes' use; and the words of the
  /// rows, a line each, where no ``File/embedding`` holds them.
  ///
  /// - Throws: `inputOutput`, `cannotCreateOutput`.
  func write(_ report: TaskReport, codeUse: [[Int]]?, words: Vocabulary?) throws(DPQError) {
    try write(report.json.text + "\n", to: .report)
    if let words { try write((0..<words.count).map { words[$0] + "\n" }.joined(), to: .words) }
    if let look = report.look { try write(look.svg, to: .tiers) }
    if let codeUse { try write(CodeUse.heatMap(codeUse).svg, to: .codeUse) }
  }
}

extension CompressedModel {
  /// The model as a file: in `folder`, or one that is gone when it is closed.
  func stored(in folder: RunFolder?) throws(DPQError) -> CompressedTable {
    guard let path = folder?.path(.embedding) else { return try openTemporarily() }
    try write(to: path, replacing: true)
    return try CompressedTable(path: path)
  }
}
