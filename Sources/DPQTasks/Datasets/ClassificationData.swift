import DPQ

/// Texts to train on, to choose by and to test on, over one vocabulary and one list of classes.
public struct ClassificationData: Sendable {
  /// What is read, and what becomes of its words.
  public struct Options: Sendable {
    /// Texts to train on.
    public var train = ""
    /// Texts to choose the best step by; `nil` takes a part of ``train``.
    public var dev: String?
    /// Texts to test on.
    public var test = ""
    /// Layout of the files; `nil` tells each by its first line.
    public var format: TextFormat?
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

  /// Row of padding; no text holds it.
  public static let paddingID = WordNumbering.paddingID
  /// Row of words that are not in the vocabulary.
  public static let unknownID = WordNumbering.unknownID

  /// Texts to train on.
  public let train: LabelledTexts
  /// Texts to choose the best step by.
  public let dev: LabelledTexts
  /// Texts to test on.
  public let test: LabelledTexts
  /// Words by their number, most frequent first, behind `<pad>` and `<unk>`.
  public let vocabulary: Vocabulary
  /// Names of the classes by their number, in the order of their bytes.
  public let classes: [String]
  /// Names of the files, without folders.
  public let name: String

  /// Reads the files that `options` name.
  ///
  /// The vocabulary is that of the texts trained on: words of the texts set apart do not count.
  ///
  /// - Throws: `inputNotFound`; `malformedInput` with file and line for a record that breaks the format, for a label of
  ///   `dev` or `test` that `train` does not have, for data of less than two classes; `inputOutput`.
  public init(_ options: Options) throws(DPQError) {
    var words = WordTable()
    var names = WordTable()
    var train = try Self.read(options.train, options.format, words: &words, labels: &names)
    guard names.count >= 2 else {
      throw DPQError(
        .malformedInput, "has \(names.count) classes: say with --format or --label-column where the label stands",
        .init(file: options.train))
    }
    guard train.count >= 4 else {
      throw DPQError(.malformedInput, "holds fewer than 4 texts", .init(file: options.train))
    }
    var dev = LabelledTexts()
    if options.dev == nil {
      let split = DevSplit(count: train.count, share: options.devShare, seed: options.seed)
      dev = train.selecting(split.dev)
      train = train.selecting(split.train)
    }

    let numbering = try WordNumbering(
      words, counts: words.counts(in: train.words), minimumCount: options.minimumCount, size: options.vocabularySize,
      file: options.train)
    let numbers = numbering.numbers
    vocabulary = numbering.vocabulary
    let (classes, classNumbers) = names.sorted()
    self.classes = classes

    train.renumber(words: numbers, labels: classNumbers)
    if let path = options.dev {
      dev = try Self.read(path, options.format, words, numbers, names, classNumbers)
    } else {
      dev.renumber(words: numbers, labels: classNumbers)
    }
    self.train = train
    self.dev = dev
    self.test = try Self.read(options.test, options.format, words, numbers, names, classNumbers)
    let files = [options.train, options.dev, options.test].compactMap { $0 }
    name = files.map { String($0.split(separator: "/").last ?? "-") }.joined(separator: ", ")
  }

  /// Makes data of texts whose words are numbers already.
  init(
    train: LabelledTexts, dev: LabelledTexts, test: LabelledTexts, vocabulary: Vocabulary, classes: [String],
    name: String
  ) {
    self.train = train
    self.dev = dev
    self.test = test
    self.vocabulary = vocabulary
    self.classes = classes
    self.name = name
  }

  /// Reads texts whose words and labels are all news.
  private static func read(
    _ path: String, _ format: TextFormat?, words: inout WordTable, labels: inout WordTable
  ) throws(DPQError) -> LabelledTexts {
    var texts = LabelledTexts()
    var records = try LabelledRecords(path, format: format)
    var tokenizer = Tokenizer()
    while try records.next() {
      var position = 0
      while tokenizer.next(records.text.span, &position) { texts.append(words.insert(tokenizer.word)) }
      texts.finishText(label: labels.insert(records.label))
      guard labels.count <= mostClasses else {
        throw records.malformed(
          "there are more than \(mostClasses) labels: say with --format or --label-column where the label stands")
      }
    }
    return texts
  }

  /// More labels than that are texts taken for labels.
  private static let mostClasses = 10_000

  /// Reads texts whose words may be unknown and whose labels may not.
  private static func read(
    _ path: String, _ format: TextFormat?, _ words: WordTable, _ numbers: [Int32], _ names: WordTable,
    _ classNumbers: [Int32]
  ) throws(DPQError) -> LabelledTexts {
    var texts = LabelledTexts()
    var records = try LabelledRecords(path, format: format)
    var tokenizer = Tokenizer()
    while try records.next() {
      var position = 0
      while tokenizer.next(records.text.span, &position) {
        texts.append(words.id(of: tokenizer.word).map { numbers[Int($0)] } ?? unknownID)
      }
      guard let label = names.id(of: records.label) else {
        throw records.malformed(
          "the label '\(String(decoding: records.label, as: UTF8.self))' does not occur in the texts to train on")
      }
      texts.finishText(label: classNumbers[Int(label)])
    }
    guard texts.count > 0 else { throw DPQError(.malformedInput, "has no texts", .init(file: path)) }
    return texts
  }
}
