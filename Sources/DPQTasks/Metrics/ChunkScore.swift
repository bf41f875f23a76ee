/// Precision, recall and F1 of chunks, counted as the CoNLL-2000 shared task's `conlleval` counts them
/// (Tjong Kim Sang, Buchholz 2000): a chunk is right when both its ends and its type are.
public struct ChunkScore: Sendable, Equatable {
  /// Chunks of the reference.
  public private(set) var referenceChunks = 0
  /// Chunks of the prediction.
  public private(set) var predictedChunks = 0
  /// Chunks of both.
  public private(set) var correctChunks = 0
  /// Tokens, and those of them with the right tag.
  public private(set) var tokens = 0
  /// Tokens with the right tag.
  public private(set) var correctTokens = 0

  /// A score of nothing yet.
  public init() {}

  /// Right share of the predicted chunks; 0 when there are none.
  public var precision: Double { predictedChunks == 0 ? 0 : Double(correctChunks) / Double(predictedChunks) }
  /// Found share of the reference's chunks; 0 when there are none.
  public var recall: Double { referenceChunks == 0 ? 0 : Double(correctChunks) / Double(referenceChunks) }
  /// Harmonic mean of ``precision`` and ``recall``; 0 when both are.
  public var f1: Double {
    let sum = precision + recall
    return sum == 0 ? 0 : 2 * precision * recall / sum
  }
  /// Share of tokens with the right tag; 0 when there are none.
  public var accuracy: Double { tokens == 0 ? 0 : Double(correctTokens) / Double(tokens) }

  /// Counts one sentence: tags such as `B-NP`, `I-NP`, `O`, one a token, as many predicted as in the reference.
  public mutating func add(reference: [String], predicted: [String]) {
    precondition(reference.count == predicted.count)
    let expected = Self.chunks(reference)
    let found = Self.chunks(predicted)
    referenceChunks += expected.count
    predictedChunks += found.count
    correctChunks += expected.intersection(found).count
    tokens += reference.count
    correctTokens += zip(reference, predicted).count { $0 == $1 }
  }

  private struct Chunk: Hashable {
    let tokens: Range<Int>
    let type: Substring
  }

  /// The chunks of a tag sequence. A chunk also starts at an `I-` that follows `O` or another type, and ends there.
  private static func chunks(_ tags: [String]) -> Set<Chunk> {
    var chunks: Set<Chunk> = []
    var open: (start: Int, type: Substring)?
    for (i, tag) in tags.enumerated() {
      let isOutside = tag == "O"
      let type = isOutside ? "" : tag.dropFirst(2)
      let begins = !isOutside && (tag.hasPrefix("B") || open?.type != type)
      if let chunk = open, isOutside || begins {
        chunks.insert(Chunk(tokens: chunk.start..<i, type: chunk.type))
        open = nil
      }
      if begins { open = (i, type) }
    }
    if let open { chunks.insert(Chunk(tokens: open.start..<tags.count, type: open.type)) }
    return chunks
  }
}
