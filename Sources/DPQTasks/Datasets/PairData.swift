import DPQ

/// Pairs of sentences to train on, to choose by and to test on, over one vocabulary and one list of classes.
public struct PairData: Sendable, LearningData {
  /// What is read, and what becomes of its words.
  public struct Options: Sendable {
    /// Pairs to train on.
    public var train = ""
    /// Pairs to choose the best step by; `nil` takes a part of ``train``.
    public var dev: String?
    /// Pairs to test on.
    public var test = ""
    /// Layout of the files, with two text columns; `nil` tells each by its first line.
    public var format: TextFormat?
    /// Rows of the table at most, with those for padding and unknown words; the most frequent words get them.
    public var vocabularySize = Int(Int32.max)
    /// Words seen less often in training are unknown words.
    public var minimumCount = 1
    /// Share of ``train`` set apart where no ``dev`` is given.
    public var devShare = 0.1
    /// Seed of the split.
    public var seed: UInt64 = 1

    /// Makes the default options.
    public init() {}
  }

  /// Pairs to train on.
  public let train: SentencePairs
  /// Pairs to choose the best step by.
  public let dev: SentencePairs
  /// Pairs to test on.
  public let test: SentencePairs
  /// Words by their number, most frequent first, behind `<pad>` and `<unk>`.
  public let vocabulary: Vocabulary
  /// Names of the classes by their number, in the order of their bytes.
  public let classes: [String]
  /// Names of the files, without folders.
  public let name: String

  /// Reads the files that `options` name. Pairs whose label is `-`, on which the annotators of SNLI did not agree, are
  /// passed over.
  ///
  /// The vocabulary is that of the pairs trained on: words of those set apart do not count.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` with file and line for a record that breaks the format, for a label of
  ///   `dev` or `test` that `train` does not have, for data of less than two classes; `inputOutput`.
  public init(_ options: Options) throws(DPQError) {
    var words = WordTable()
    var names = WordTable()
    var train = try Self.read(options.train, options.format, words: &words, labels: &names, mostLabels: 1000)
    guard names.count >= 2 else {
      throw DPQError(
        .malformedInput,
        "has \(names.count) classes: say with --label-column and --text-column where label and sentences stand",
        .init(file: options.train))
    }
    guard train.count >= 4 else {
      throw DPQError(.malformedInput, "holds fewer than 4 pairs", .init(file: options.train))
    }
    var dev = SentencePairs()
    if let path = options.dev {
      dev = try Self.read(path, options.format, words: &words, labels: &names, mostLabels: names.count)
    } else {
      let split = DevSplit(count: train.count, share: options.devShare, seed: options.seed)
      dev = train.selecting(split.dev)
      train = train.selecting(split.train)
    }
    var test = try Self.read(options.test, options.format, words: &words, labels: &names, mostLabels: names.count)

    let numbering = try WordNumbering(
      words, counts: words.counts(in: train.words), minimumCount: options.minimumCount, size: options.vocabularySize,
      file: options.train)
    let (classes, places) = names.sorted()
    train.renumber(words: numbering.numbers, labels: places)
    dev.renumber(words: numbering.numbers, labels: places)
    test.renumber(words: numbering.numbers, labels: places)
    (self.train, self.dev, self.test) = (train, dev, test)
    self.vocabulary = numbering.vocabulary
    self.classes = classes
    let files = [options.train, options.dev, options.test].compactMap { $0 }
    name = files.map { String($0.split(separator: "/").last ?? "-") }.joined(separator: ", ")
  }

  /// Reads pairs; there may be `mostLabels` labels in all.
  private static func read(
    _ path: String, _ format: TextFormat?, words: inout WordTable, labels: inout WordTable, mostLabels: Int
  ) throws(DPQError) -> SentencePairs {
    var pairs = SentencePairs()
    var records = try LabelledRecords(path, format: format, detect: TextFormat.detectPairs)
    var tokenizer = Tokenizer()
    while try records.next() {
      if records.label == [UInt8(ascii: "-")] { continue }
      guard records.textRanges.count == 2 else {
        throw records.malformed("has \(records.textRanges.count) text columns: name two with --text-column")
      }
      for range in records.textRanges {
        var position = 0
        let text = records.text.span.extracting(range)
        while tokenizer.next(text, &position) { pairs.append(words.insert(tokenizer.word)) }
        pairs.finishSentence()
      }
      pairs.finishPair(label: labels.insert(records.label))
      guard labels.count <= mostLabels else {
        throw records.malformed(
          "the label '\(String(decoding: records.label, as: UTF8.self))' is one too many: say with --label-column where "
            + "the label stands, or train on pairs that have it")
      }
    }
    guard pairs.count > 0 else { throw DPQError(.malformedInput, "has no pairs", .init(file: path)) }
    return pairs
  }
}
