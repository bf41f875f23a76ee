/// What a finished training run tells: the members of `report.json`, the same for every task.
package struct TaskReport {
  /// What was trained: `classify`, `language-model`.
  package var task: String
  /// The training data, as given.
  package var data: String
  /// The kind of embedding layer: `full`, `sx`, `vq`, a baseline.
  package var embedding: String
  /// Groups of a row; `nil` where the layer has no codes.
  package var groups: Int?
  /// Codes of a group; `nil` where the layer has no codes.
  package var codes: Int?
  /// Whether one codebook serves all groups.
  package var isShared = false
  /// What ``valid`` and ``test`` measure: `accuracy`, `perplexity`.
  package var metric: String
  /// The metric on the data the model was chosen by.
  package var valid: Double
  /// The metric of that model on the test data; `nil` where none were given.
  package var test: Double?
  /// Bytes of the float32 table ÷ ``embeddingBytes``.
  package var ratio: Double
  /// The same as the papers count it.
  package var paperRatio: Double
  /// Bytes kept of the embedding: the file without its words.
  package var embeddingBytes: Int
  /// Bytes of the float32 table.
  package var tableBytes: Int
  /// Wall-clock seconds of training and evaluation.
  package var seconds: Double
  /// Tokens trained on in a second.
  package var tokensPerSecond: Double
  /// Seed of every random choice.
  package var seed: UInt64
  /// What the task has to say beyond that, behind the other members.
  package var details: [(String, JSON)] = []
  /// A look inside adaptive code lengths; `nil` for other embeddings.
  package var look: AdaptiveLook?

  /// Makes a report.
  package init(
    task: String, data: String, embedding: String, metric: String, valid: Double, test: Double?, ratio: Double,
    paperRatio: Double, embeddingBytes: Int, tableBytes: Int, seconds: Double, tokensPerSecond: Double, seed: UInt64
  ) {
    self.task = task
    self.data = data
    self.embedding = embedding
    self.metric = metric
    self.valid = valid
    self.test = test
    self.ratio = ratio
    self.paperRatio = paperRatio
    self.embeddingBytes = embeddingBytes
    self.tableBytes = tableBytes
    self.seconds = seconds
    self.tokensPerSecond = tokensPerSecond
    self.seed = seed
  }

  /// The report as one JSON object.
  package var json: JSON {
    .object(
      [
        ("task", .string(task)), ("data", .string(data)), ("embedding", .string(embedding)),
        ("groups", groups.map { .integer($0) } ?? .null), ("codes", codes.map { .integer($0) } ?? .null),
        ("shared", .bool(isShared)), ("metric", .string(metric)), ("valid", .double(valid)),
        ("test", test.map { .double($0) } ?? .null), ("ratio", .double(ratio)), ("ratio_paper", .double(paperRatio)),
        ("embedding_bytes", .integer(embeddingBytes)), ("table_bytes", .integer(tableBytes)),
        ("seconds", .double(seconds)),
        ("tokens_per_second", tokensPerSecond > 0 ? .double(tokensPerSecond) : .null), ("seed", .unsigned(seed)),
      ] + details + (look?.members ?? []))
  }
}
