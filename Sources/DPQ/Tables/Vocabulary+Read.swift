extension Vocabulary {
  /// Reads the words of a table from a file beside it: a word list or `vocab.txt` (line i is row i), or a Hugging Face
  /// `tokenizer.json`, `tokenizer_config.json` or `vocab.json`, told apart by their contents; gzip and zstd are undone.
  ///
  /// Lines end with `\n` only, or all of them with `\r\n`, so words may hold other line separators. In a tokenizer, ids
  /// without a token are called `[id 17]`, as where a table was padded; added tokens behind the last row are left out.
  ///
  /// - Parameter rows: rows of the table, where known.
  /// - Throws: `inputNotFound`; `malformedInput` where the number of words is not `rows`, a tokenizer has ids the table
  ///   has not, or names less than half of the rows; `inputOutput`.
  public static func read(_ path: String, rows: Int?) throws(DPQError) -> Vocabulary {
    do throws(DPQError) {
      var input = try InputFile(path)
      try input.stream.fill(4096)
      if looksLikeJSON(input.stream.window) {
        let contents = try input.contents()
        return try tokens(JSONDocument(contents, 0..<contents.byteCount).root, rows: rows)
      }
      return try list(&input.stream, rows: rows)
    } catch {
      throw error.inFile(path)
    }
  }

  private static func looksLikeJSON(_ window: Span<UInt8>) -> Bool {
    var visible: [UInt8] = []
    for i in 0..<window.count where visible.count < 2 && ![0x20, 0x09, 0x0A, 0x0D].contains(window[i]) {
      visible.append(window[i])
    }
    return visible == Array("{\"".utf8) || visible == Array("{}".utf8)
  }

  /// One word a line.
  private static func list(_ stream: inout ByteStream, rows: Int?) throws(DPQError) -> Vocabulary {
    var builder = VocabularyBuilder()
    var returns = 0
    while let count = try stream.findLine() {
      if count > 0 && stream.window[count - 1] == 0x0D { returns += 1 }
      builder.append(stream.window, 0..<count)
      stream.skipLine(count)
    }
    // Some tokenizers have tokens that end with a carriage return: it is part of the line end only where all lines
    // have it.
    if returns == builder.count { builder.dropLastBytes() }
    if let rows, builder.count != rows {
      throw DPQError(
        .malformedInput, "has \(builder.count) words, the table \(rows) rows: give the list that belongs to it")
    }
    return builder.vocabulary()
  }

  /// The tokens of a tokenizer by their ids.
  private static func tokens(_ root: JSONDocument.Value, rows: Int?) throws(DPQError) -> Vocabulary {
    var found: [(id: Int, word: [UInt8])] = []
    /// Ids from here on may lie behind the table: they were added to the tokenizer after the model's own.
    var ownCount = 0
    let model = root["model"]?["vocab"]
    if let model, model.isObject {
      try model.forEachMember { (name, id) throws(DPQError) in
        found.append((try identifier(id), JSONDocument.unescape(name)))
      }
    } else if let model, model.isArray {
      for (id, entry) in model.elements.enumerated() {
        guard let word = entry.elements.first?.bytes else {
          throw DPQError(.malformedInput, "token \(id) of model.vocab is not a pair of token and score")
        }
        found.append((id, word))
      }
    } else if root["model"] == nil && root["added_tokens"] == nil && root["added_tokens_decoder"] == nil {
      // vocab.json is nothing but token and id; anything else is no vocabulary.
      try root.forEachMember { (name, id) throws(DPQError) in
        guard id.integer != nil else {
          throw DPQError(
            .malformedInput,
            "is not a vocabulary: give a word list, tokenizer.json, tokenizer_config.json or vocab.txt")
        }
        found.append((try identifier(id), JSONDocument.unescape(name)))
      }
    }
    ownCount = found.count
    for token in root["added_tokens"]?.elements ?? [] {
      guard let id = token["id"], let word = token["content"]?.bytes else {
        throw DPQError(.malformedInput, "an entry of added_tokens has no id or content")
      }
      found.append((try identifier(id), word))
    }
    try root["added_tokens_decoder"]?.forEachMember { (name, token) throws(DPQError) in
      guard let id = Int(String(decoding: name, as: UTF8.self)), id >= 0, let word = token["content"]?.bytes else {
        throw DPQError(.malformedInput, "an entry of added_tokens_decoder has no id or content")
      }
      found.append((id, word))
    }
    return try ordered(found, ownCount: ownCount, rows: rows)
  }

  private static func identifier(_ value: JSONDocument.Value) throws(DPQError) -> Int {
    guard let id = value.integer, id >= 0 else {
      throw DPQError(.malformedInput, "a token's id is not a whole number")
    }
    return id
  }

  private static func ordered(
    _ found: [(id: Int, word: [UInt8])], ownCount: Int, rows: Int?
  ) throws(DPQError) -> Vocabulary {
    let highest = found[..<ownCount].map(\.id).max() ?? -1
    if let rows, highest >= rows {
      throw DPQError(
        .malformedInput,
        "has a token with id \(highest), the table has only \(rows) rows: give the tokenizer that belongs to it")
    }
    // Without a table to go by, a stray high id must not allocate memory.
    let count = rows ?? min((found.map(\.id).max() ?? -1), 2 * found.count) + 1
    var place = [Int](repeating: -1, count: count)
    var named = 0
    for (index, token) in found.enumerated() where token.id < count {
      if place[token.id] < 0 { named += 1 }
      // What was added later is what the tokenizer uses.
      place[token.id] = index
    }
    guard named > 0, 2 * named >= count else {
      throw DPQError(
        .malformedInput, "names only \(named) of \(count) rows: give the tokenizer.json that belongs to the table")
    }
    var builder = VocabularyBuilder()
    for id in 0..<count {
      if place[id] >= 0 { builder.append(found[place[id]].word) } else { builder.append("[id \(id)]") }
    }
    return builder.vocabulary()
  }
}
