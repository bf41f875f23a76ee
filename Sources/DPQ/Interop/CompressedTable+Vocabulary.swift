import CKernels

extension CompressedTable {
  /// Row of `word`, the lowest where it stands twice; `nil` where the table has no such word, or none at all.
  ///
  /// A binary search that touches only the words it compares. Complexity: O(log rows).
  public func id(of word: String) -> Int? {
    var word = word
    var id: Int64 = 0
    let handle = handle
    let status = word.withUTF8 { key in
      key.withMemoryRebound(to: CChar.self) { dpq_table_find(handle, $0.baseAddress, $0.count, &id, nil) }
    }
    return status == DPQ_OK ? Int(id) : nil
  }

  /// Word of row `id`; bytes that are not UTF-8 are repaired. `nil` outside the table or without words.
  public func word(_ id: Int) -> String? {
    var start: UnsafePointer<CChar>?
    var count = 0
    guard dpq_table_word(handle, Int64(id), &start, &count, nil) == DPQ_OK else { return nil }
    return String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }

  /// All words, copied; `nil` where the table has none.
  ///
  /// - Throws: `corruptFile` where offsets or order are damaged.
  public func vocabulary() throws(DPQError) -> Vocabulary? {
    guard hasVocabulary, let bytes = section("vocabulary.bytes"), let offsets = section("vocabulary.offsets"),
      let order = section("vocabulary.order")
    else { return nil }
    let starts = [UInt64](offsets.assumingMemoryBound(to: UInt64.self))
    let ids = [UInt64](order.assumingMemoryBound(to: UInt64.self))
    var isSound = starts.first == 0 && starts.last == UInt64(bytes.count)
    starts.withUnsafeBufferPointer { starts in
      for i in 0..<rows where starts[i] > starts[i + 1] { isSound = false }
    }
    ids.withUnsafeBufferPointer { ids in
      for id in ids where id >= UInt64(rows) { isSound = false }
    }
    guard isSound else {
      throw DPQError(.corruptFile, "the vocabulary is damaged: run verify", .init(file: path))
    }
    return Vocabulary(bytes: [UInt8](bytes), offsets: starts, order: ids)
  }
}
