import DPQ

/// A table as the reading commands see it: compressed or plain.
enum AnyTable: ~Copyable {
  case compressed(CompressedTable)
  case plain(EmbeddingTable)

  var rows: Int {
    switch self {
    case .compressed(let table): table.rows
    case .plain(let table): table.rows
    }
  }

  var dimension: Int {
    switch self {
    case .compressed(let table): table.dimension
    case .plain(let table): table.dimension
    }
  }

  var hasWords: Bool {
    switch self {
    case .compressed(let table): table.hasVocabulary
    case .plain(let table): table.vocabulary != nil
    }
  }

  /// The word of a row, where the table has words.
  func word(_ id: Int) -> String? {
    switch self {
    case .compressed(let table): table.word(id)
    case .plain(let table): table.vocabulary?[id]
    }
  }

  func row(_ id: Int) throws(DPQError) -> [Float] {
    switch self {
    case .compressed(let table): try table.row(id)
    case .plain(let table): try table.row(id)
    }
  }

  func neighbors(
    of query: [Float], count: Int, similarity: Similarity, excluding id: Int?, threads: Int
  ) throws(DPQError) -> [Neighbor] {
    switch self {
    case .compressed(let table):
      try table.neighbors(of: query.span, count: count, similarity: similarity, excluding: id)
    case .plain(let table):
      try table.neighbors(of: query.span, count: count, similarity: similarity, excluding: id, threads: threads)
    }
  }

  /// Rows of `words`, then `ids` themselves.
  ///
  /// - Throws: `unknownRow` naming every word that is not in the table, or the first id outside it.
  func resolve(words: [String], ids: [Int], path: String) throws(DPQError) -> [Int] {
    guard words.isEmpty || hasWords else {
      throw DPQError(
        .unknownRow, "the table has no words: ask by --ids, or compress it with --vocabulary", .init(file: path))
    }
    var found: [Int] = []
    var unknown: [String] = []
    for word in words {
      if let id = id(of: word) { found.append(id) } else { unknown.append("'\(word)'") }
    }
    guard unknown.isEmpty else {
      let more = unknown.count > 10 ? " and \(unknown.count - 10) more" : ""
      throw DPQError(
        .unknownRow, "not in the vocabulary: " + unknown.prefix(10).joined(separator: ", ") + more, .init(file: path))
    }
    if let outside = ids.first(where: { !(0..<rows).contains($0) }) {
      throw DPQError(
        .unknownRow, "there is no row \(outside): the table has rows 0 to \(rows - 1)", .init(file: path))
    }
    return found + ids
  }

  private func id(of word: String) -> Int? {
    switch self {
    case .compressed(let table): table.id(of: word)
    case .plain(let table): table.vocabulary?.id(of: word)
    }
  }
}
