import DPQ

/// A text to train a language model on, one to choose by and one to test on, as numbers of words.
///
/// Files hold plain text, words apart by white space; the end of each line is a word of its own, `<eos>`, as PTB and
/// WikiText are read. Words are taken as they stand.
public struct LanguageModelData: Sendable {
  /// What stands for the end of a line.
  public static let endOfLine = "<eos>"
  /// What stands for words that are not in the vocabulary.
  public static let unknown = "<unk>"

  /// Words of the training text by falling frequency, those seen equally often in the order of their bytes.
  public let vocabulary: Vocabulary
  /// The text to train on.
  public let train: [Int32]
  /// The text to choose by.
  public let valid: [Int32]
  /// The text to test on.
  public let test: [Int32]
  /// Names of the files, without folders.
  public let name: String

  /// Reads the files; gzip and zstd are undone.
  ///
  /// The vocabulary holds the `vocabularySize` most frequent words of `train`. All others are `<unk>`, which takes part
  /// where some word needs it, even where it is not among them.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` for a text of less than two words; `inputOutput`.
  public init(train: String, valid: String, test: String, vocabularySize: Int? = nil) throws(DPQError) {
    var words = WordTable()
    let texts = [
      try Self.read(train, &words), try Self.read(valid, &words), try Self.read(test, &words),
    ]
    let unknown = words.insert(Array(Self.unknown.utf8))
    var counts = [Int](repeating: 0, count: words.count)
    for word in texts[0] { counts[Int(word)] += 1 }
    var known = counts.indices.filter { counts[$0] > 0 }.sorted { a, b in
      counts[a] != counts[b] ? counts[a] > counts[b] : words.word(a).lexicographicallyPrecedes(words.word(b))
    }
    let isCut = vocabularySize.map { $0 < known.count } ?? false
    let isLacking = texts[1].contains { counts[Int($0)] == 0 } || texts[2].contains { counts[Int($0)] == 0 }
    if let vocabularySize, isCut { known.removeLast(known.count - max(1, vocabularySize)) }
    if isCut || isLacking, !known.contains(Int(unknown)) {
      if isCut { known.removeLast() }
      known.append(Int(unknown))
    }
    var numbers = [Int32](repeating: -1, count: words.count)
    for (rank, word) in known.enumerated() { numbers[word] = Int32(rank) }
    let substitute = numbers[Int(unknown)]
    func numbered(_ text: [Int32]) -> [Int32] {
      text.map { numbers[Int($0)] < 0 ? substitute : numbers[Int($0)] }
    }
    self.train = numbered(texts[0])
    self.valid = numbered(texts[1])
    self.test = numbered(texts[2])
    vocabulary = Vocabulary(known.map { String(decoding: words.word($0), as: UTF8.self) })
    name = [train, valid, test].map { String($0.split(separator: "/").last ?? "-") }.joined(separator: ", ")
  }

  private static func read(_ path: String, _ words: inout WordTable) throws(DPQError) -> [Int32] {
    var text: [Int32] = []
    var lines = try TextLines(path)
    let end = Array(endOfLine.utf8)
    var word: [UInt8] = []
    while try lines.next() {
      let line = lines.line
      for i in line.indices {
        let byte = line[i]
        let isBlank = byte == 0x20 || (0x09...0x0D).contains(byte)
        if !isBlank { word.append(byte) }
        if isBlank || i == line.count - 1, !word.isEmpty {
          text.append(words.insert(word))
          word.removeAll(keepingCapacity: true)
        }
      }
      text.append(words.insert(end))
    }
    guard text.count >= 2 else {
      throw DPQError(.malformedInput, "has \(text.count) words: a text needs two", .init(file: path))
    }
    return text
  }
}
