import Testing

@testable import DPQ

/// The best weights of a run, kept out of memory, and their way through a checkpoint.
@Suite struct SnapshotTests {
  private func tensors(seed: UInt64) throws -> [(name: String, value: Matrix)] {
    let shapes = [("wide", 3, 500), ("none", 0, 4), ("long", 70_000, 2)]
    return try shapes.map { name, rows, columns in
      let matrix = try Matrix(rows: rows, columns: columns)
      matrix.fillUniformly(scale: 1, seed: seed, stream: UInt64(rows))
      return (name, matrix)
    }
  }

  private func values(_ tensors: [(name: String, value: Matrix)]) -> [[Float]] { tensors.map(\.value.array) }

  @Test func givesBackWhatWasKeptLast() throws {
    let snapshot = Snapshot()
    let trained = try tensors(seed: 1)
    let first = values(trained)
    #expect(snapshot.isEmpty)
    try snapshot.restore(trained)
    #expect(values(trained) == first)
    try snapshot.keep(tensors(seed: 2))
    try snapshot.keep(trained)
    for (_, value) in trained { value.clear(rows: 0..<value.rows) }
    #expect(values(trained) != first)
    try snapshot.restore(trained)
    #expect(values(trained) == first && !snapshot.isEmpty)
  }

  @Test func goesThroughACheckpoint() throws {
    let (trained, best) = (try tensors(seed: 1), try tensors(seed: 2))
    let snapshot = Snapshot()
    try snapshot.keep(best)
    let file = TemporaryPath("checkpoint.safetensors")
    try Checkpoint.write(to: file.path, metadata: [("step", "7")], tensors: trained, best: snapshot)
    let read = try CheckpointFile(path: file.path)
    #expect(read["step"] == "7" && read.names == ["wide", "none", "long", "best.wide", "best.none", "best.long"])
    let targets = try tensors(seed: 3)
    let again = Snapshot()
    try read.restoreBest(of: targets, to: again)
    try read.restore(targets)
    #expect(values(targets) == values(trained))
    try again.restore(targets)
    #expect(values(targets) == values(best))
    let other = [("wide", try Matrix(rows: 3, columns: 499))]
    #expect(throws: DPQError.self) { try read.restore(other) }
    #expect(throws: DPQError.self) { try read.restoreBest(of: [("wider", other[0].1)], to: again) }
  }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    let error = #expect(throws: DPQError.self) { try Snapshot(folder: "/nowhere/at/all").keep(tensors(seed: 1)) }
    #expect(error?.context.file == "/nowhere/at/all")
  }
}
