import DPQ

/// Tagged sentences to train on, to choose by and to test on, over one vocabulary and one list of tags.
public struct TaggingData: Sendable, LearningData {
  /// What is read, and what becomes of its words.
  public struct Options: Sendable {
    /// Sentences to train on.
    public var train = ""
    /// Sentences to choose the best step by; `nil` takes a part of ``train``.
    public var dev: String?
    /// Sentences to test on.
    public var test = ""
    /// The column, counted from 1, that holds the word.
    public var wordColumn = 1
    /// The column, counted from 1, that holds the tag; `nil` for the last one.
    public var tagColumn: Int?
    /// Rows of the table at most, with those for padding and unknown words; the most frequent words get them.
    public var vocabularySize = Int(Int32.max)
    /// Words seen less often in training are unknown words.
    public var minimumCount = 2
    /// Share of ``train`` set apart where no ``dev`` is given.
    public var devShare = 0.1
    /// Seed of the split.
    public var seed: UInt64 = 1

    /// Makes the default options.
    public init() {}
  }

  /// Sentences to train on.
  public let train: TaggedSentences
  /// Sentences to choose the best step by.
  public let dev: TaggedSentences
  /// Sentences to test on.
  public let test: TaggedSentences
  /// Words by their number, most frequent first, behind `<pad>` and `<unk>`.
  public let vocabulary: Vocabulary
  /// Names of the tags by their number: those of the sentences to train on in the order of their bytes, then others.
  public let tags: [String]
  /// How many of ``tags`` the training file has: those that a model can tell apart.
  public let trainedTags: Int
  /// Names of the files, without folders.
  public let name: String

  /// Whether all tags are `O` or start with `B-` or `I-`, so that chunks can be counted.
  public var tagsAreChunks: Bool { tags.allSatisfy { $0 == "O" || $0.hasPrefix("B-") || $0.hasPrefix("I-") } }

  /// Reads the files that `options` name.
  ///
  /// The vocabulary is that of the sentences trained on: words of those set apart do not count.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` with file and line for a line that breaks the format, for data of less
  ///   than two tags or of too many; `inputOutput`.
  public init(_ options: Options) throws(DPQError) {
    var words = WordTable()
    var names = WordTable()
    var train = try Self.read(options.train, options, words: &words, tags: &names)
    let trainedTags = names.count
    guard trainedTags >= 2 else {
      throw DPQError(
        .malformedInput, "has only one tag: say with --tag-column where the tags stand", .init(file: options.train))
    }
    guard train.count >= 4 else {
      throw DPQError(.malformedInput, "holds fewer than 4 sentences", .init(file: options.train))
    }
    var (tags, places) = names.sorted()
    var dev = TaggedSentences()
    if let path = options.dev {
      dev = try Self.read(path, options, words: &words, tags: &names)
    } else {
      let split = DevSplit(count: train.count, share: options.devShare, seed: options.seed)
      dev = train.selecting(split.dev)
      train = train.selecting(split.train)
    }
    var test = try Self.read(options.test, options, words: &words, tags: &names)
    for id in trainedTags..<names.count {
      places.append(Int32(id))
      tags.append(String(decoding: names.word(id), as: UTF8.self))
    }

    let numbering = try WordNumbering(
      words, counts: words.counts(in: train.words), minimumCount: options.minimumCount, size: options.vocabularySize,
      file: options.train)
    train.renumber(words: numbering.numbers, tags: places)
    dev.renumber(words: numbering.numbers, tags: places)
    test.renumber(words: numbering.numbers, tags: places)
    (self.train, self.dev, self.test) = (train, dev, test)
    self.vocabulary = numbering.vocabulary
    self.tags = tags
    self.trainedTags = trainedTags
    let files = [options.train, options.dev, options.test].compactMap { $0 }
    name = files.map { String($0.split(separator: "/").last ?? "-") }.joined(separator: ", ")
  }

  private static func read(
    _ path: String, _ options: Options, words: inout WordTable, tags: inout WordTable
  ) throws(DPQError) -> TaggedSentences {
    var sentences = TaggedSentences()
    var lines = try ColumnLines(path, wordColumn: options.wordColumn, tagColumn: options.tagColumn)
    while try lines.next() {
      if lines.word.isEmpty {
        sentences.finishSentence()
        continue
      }
      sentences.append(words.insert(lines.word), tag: tags.insert(lines.tag))
      guard tags.count <= mostTags else {
        throw DPQError(
          .malformedInput, "there are more than \(mostTags) tags: say with --tag-column where the tags stand",
          .init(file: path))
      }
    }
    sentences.finishSentence()
    guard sentences.count > 0 else { throw DPQError(.malformedInput, "has no sentences", .init(file: path)) }
    return sentences
  }

  /// More tags than that are words taken for tags.
  private static let mostTags = 1000
}
