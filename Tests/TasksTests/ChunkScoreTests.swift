import DPQTasks
import Testing

/// Counts worked out by hand from the rules of `conlleval`.
@Suite struct ChunkScoreTests {
  private func score(_ reference: String, _ predicted: String) -> ChunkScore {
    var score = ChunkScore()
    score.add(
      reference: reference.split(separator: " ").map(String.init),
      predicted: predicted.split(separator: " ").map(String.init))
    return score
  }

  @Test func equalTagsAreAllRight() {
    let s = score("B-NP I-NP O B-VP B-NP I-NP", "B-NP I-NP O B-VP B-NP I-NP")
    #expect(s.referenceChunks == 3 && s.predictedChunks == 3 && s.correctChunks == 3)
    #expect(s.f1 == 1 && s.accuracy == 1)
  }

  @Test func aWrongEndSpoilsTheChunkAlone() {
    let s = score("B-NP I-NP I-NP O B-VP", "B-NP I-NP O O B-VP")
    #expect(s.referenceChunks == 2 && s.predictedChunks == 2 && s.correctChunks == 1)
    #expect(s.accuracy == 0.8)
  }

  @Test func anInsideTagAfterOutsideOrAnotherTypeStartsAChunk() {
    let s = score("B-NP I-NP O", "I-NP I-NP O")
    #expect(s.correctChunks == 1 && s.predictedChunks == 1)
    let t = score("B-NP B-VP I-VP", "B-NP I-VP I-VP")
    #expect(t.predictedChunks == 2 && t.correctChunks == 2)
  }

  @Test func adjacentChunksOfOneTypeAreTwo() {
    let s = score("B-NP B-NP", "B-NP I-NP")
    #expect(s.referenceChunks == 2 && s.predictedChunks == 1 && s.correctChunks == 0)
    #expect(s.precision == 0 && s.recall == 0 && s.f1 == 0)
  }

  @Test func sentencesDoNotRunIntoOneAnother() {
    var s = ChunkScore()
    s.add(reference: ["B-NP"], predicted: ["B-NP"])
    s.add(reference: ["I-NP"], predicted: ["I-NP"])
    #expect(s.referenceChunks == 2 && s.correctChunks == 2)
  }

  @Test func precisionAndRecallDiffer() {
    let s = score("B-NP O B-PP O", "B-NP B-VP B-PP B-NP")
    #expect(s.precision == 0.5 && s.recall == 1)
    #expect(abs(s.f1 - 2.0 / 3) < 1e-12)
  }
}
