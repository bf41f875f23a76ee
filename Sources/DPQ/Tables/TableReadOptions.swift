/// What to do when the same word names two rows.
public enum DuplicatePolicy: String, Sendable, CaseIterable {
  /// Refuse the table.
  case error
  /// Keep the first of the rows.
  case first
  /// Keep the last of the rows, in its place.
  case last
}

/// What to do with a value that is NaN or infinite as float32.
public enum NonFinitePolicy: String, Sendable, CaseIterable {
  /// Refuse the table.
  case error
  /// Put 0 in its place.
  case zero
  /// Leave the row out, and its word.
  case skip
}

/// How ``EmbeddingTable/read(_:options:)`` reads a table.
public struct TableReadOptions: Sendable {
  /// Name of the tensor in a safetensors or npz file; needed where several could be meant.
  public var tensor: String?
  /// File with a word for every row, as ``Vocabulary/read(_:rows:)`` takes it; its words replace those of the table.
  public var vocabularyPath: String?
  /// What to do when a word stands twice.
  public var duplicates: DuplicatePolicy
  /// What to do with values that are not finite.
  public var nonFinite: NonFinitePolicy
  /// Threads to check the values with; 0 means all processors.
  public var threads: Int

  /// Makes options; without arguments, those of the command line.
  public init(
    tensor: String? = nil, vocabularyPath: String? = nil, duplicates: DuplicatePolicy = .error,
    nonFinite: NonFinitePolicy = .error, threads: Int = 0
  ) {
    self.tensor = tensor
    self.vocabularyPath = vocabularyPath
    self.duplicates = duplicates
    self.nonFinite = nonFinite
    self.threads = threads
  }
}
