/// Reads the vectors of a fastText `.bin` model (fastText 0.9, model version 12 and 11).
///
/// The row of a vocabulary word is the mean of its own vector and those of its character n-grams, which live in hashed
/// buckets: what `fasttext print-word-vectors` prints and `get_word_vector` returns.
enum FastTextModel {
  /// 793 712 314, little endian.
  static let magic: [UInt8] = [0xBA, 0x16, 0x4F, 0x2F]

  /// No word has more n-grams. Without a limit their number would grow with the square of a damaged word's length.
  private static let mostSubwords = 1 << 20

  private struct Arguments {
    var dimension: Int
    var bucket: Int
    var shortest: Int
    var longest: Int
  }

  /// - Throws: `malformedInput` for a quantized model or damaged counts, `truncatedInput`, `outOfMemory`.
  static func read(_ region: MemoryRegion, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    var cursor = ByteCursor(region, at: magic.count)
    let version = try cursor.integer(Int32.self)
    guard version == 12 || version == 11 else {
      throw DPQError(.malformedInput, "fastText model version \(version) is not known: 11 and 12 are", .init(byte: 4))
    }
    let arguments = try readArguments(&cursor, version: version)

    let entries = Int(try cursor.integer(Int32.self))
    let words = Int(try cursor.integer(Int32.self))
    let labels = Int(try cursor.integer(Int32.self))
    _ = try cursor.integer(Int64.self)
    let pruned = Int(try cursor.integer(Int64.self))
    guard words >= 0, labels >= 0, words <= entries, entries - words == labels, pruned >= -1 else {
      throw cursor.malformed("the counts of the fastText dictionary do not agree")
    }
    var builder = VocabularyBuilder()
    for entry in 0..<entries {
      let word = try cursor.terminatedBytes()
      _ = try cursor.integer(Int64.self)
      let isLabel = try cursor.integer(UInt8.self) != 0
      guard isLabel == (entry >= words) else {
        throw cursor.malformed("the labels of the fastText dictionary do not follow its words")
      }
      if !isLabel { builder.append(region.span, word) }
    }
    var remap: [Int32: Int32] = [:]
    for _ in 0..<max(pruned, 0) {
      let from = try cursor.integer(Int32.self)
      remap[from] = try cursor.integer(Int32.self)
    }
    guard try cursor.integer(UInt8.self) == 0 else {
      throw DPQError(
        .malformedInput, "is a quantized fastText model, which has no plain rows: give the model it was made from")
    }
    let matrixRows = Int(try cursor.integer(Int64.self))
    let columns = Int(try cursor.integer(Int64.self))
    guard columns == arguments.dimension, matrixRows >= words else {
      throw cursor.malformed("the fastText matrix of \(matrixRows) × \(columns) does not fit its dictionary")
    }
    let matrix = cursor.position
    let need = matrix + (try TableShape.bytes(rows: matrixRows, dimension: columns))
    guard region.byteCount >= need else {
      throw TableShape.truncated(rows: matrixRows, dimension: columns, need: need, have: region.byteCount)
    }
    guard words > 0 else { throw DPQError(.malformedInput, "the fastText model has no words") }
    // The output matrix is not needed, but a file without it was cut off.
    cursor = ByteCursor(region, at: need)
    _ = try cursor.integer(UInt8.self)
    let outputRows = Int(try cursor.integer(Int64.self))
    let outputColumns = Int(try cursor.integer(Int64.self))
    let whole = cursor.position + (try TableShape.bytes(rows: outputRows, dimension: outputColumns))
    guard region.byteCount >= whole else {
      throw TableShape.truncated(rows: outputRows, dimension: outputColumns, need: whole, have: region.byteCount)
    }

    let vocabulary = builder.vocabulary()
    var output = GrowableMemory()
    var parts: [Int] = []
    for id in 0..<words {
      let length = vocabulary.range(id).count + 2
      guard arguments.longest <= 0 || length <= mostSubwords / min(arguments.longest, length) else {
        throw DPQError(
          .malformedInput,
          "a word of \(length - 2) bytes with n-grams of up to \(arguments.longest) characters cannot be right",
          .init(row: id))
      }
      parts.removeAll(keepingCapacity: true)
      parts.append(id)
      subwords(vocabulary.bytes.span.extracting(vocabulary.range(id)), arguments) { bucket in
        if pruned == 0 { return }
        if pruned < 0 {
          parts.append(words + bucket)
        } else if let kept = remap[Int32(bucket)] {
          parts.append(words + Int(kept))
        }
      }
      guard parts.allSatisfy({ $0 >= 0 && $0 < matrixRows }) else {
        throw DPQError(
          .malformedInput,
          "the n-grams of the word lie outside the fastText matrix of \(matrixRows) rows", .init(row: id))
      }
      region.writeMean(ofRows: parts, matrixAt: matrix, columns: columns, to: try output.extend(by: 4 * columns))
    }
    return EmbeddingTable(
      storage: output.share(), rows: words, dimension: columns, vocabulary: vocabulary, sourceBytes: sourceBytes)
  }

  private static func readArguments(_ cursor: inout ByteCursor, version: Int32) throws(DPQError) -> Arguments {
    // dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate; then a double.
    var values: [Int] = []
    for _ in 0..<12 { values.append(Int(try cursor.integer(Int32.self))) }
    _ = try cursor.integer(UInt64.self)
    var arguments = Arguments(dimension: values[0], bucket: values[8], shortest: values[9], longest: values[10])
    // Version 11 wrote a maxn for supervised models (3) that they did not use.
    if version == 11 && values[7] == 3 { arguments.longest = 0 }
    guard arguments.dimension > 0, arguments.longest <= 0 || arguments.bucket > 0 else {
      throw cursor.malformed("the fastText model's dimension or bucket count is not possible")
    }
    return arguments
  }

  /// The buckets of a word's n-grams, in fastText's order (`Dictionary::computeSubwords`): n characters each of
  /// `<word>`, shortest ≤ n ≤ longest, without the lone `<` and `>`. The end-of-sentence word has none.
  private static func subwords(_ word: Span<UInt8>, _ arguments: Arguments, _ body: (Int) -> Void) {
    if word.count == 4 && word.starts(with: Array("</s>".utf8)) { return }
    let length = word.count + 2
    func byte(_ i: Int) -> UInt8 {
      i == 0 ? UInt8(ascii: "<") : i == length - 1 ? UInt8(ascii: ">") : word[i - 1]
    }
    func continues(_ i: Int) -> Bool { i < length && byte(i) & 0xC0 == 0x80 }
    for i in 0..<length where !continues(i) {
      var hash: UInt32 = 2_166_136_261
      var j = i
      var n = 1
      while j < length && n <= arguments.longest {
        repeat {
          // FNV-1a, but each byte goes in as a signed char: bytes from 0x80 on set the upper bits too.
          hash = (hash ^ UInt32(bitPattern: Int32(Int8(bitPattern: byte(j))))) &* 16_777_619
          j += 1
        } while continues(j)
        if n >= arguments.shortest && !(n == 1 && (i == 0 || j == length)) {
          body(Int(hash % UInt32(arguments.bucket)))
        }
        n += 1
      }
    }
  }
}
