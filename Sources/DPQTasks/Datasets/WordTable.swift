/// Words and their numbers: word i is the i-th one that was added. An open hash table over one run of bytes.
struct WordTable {
  private var bytes: [UInt8] = []
  private var offsets: [Int] = [0]
  /// Number of the word in each slot, or -1.
  private var slots = [Int32](repeating: -1, count: 1 << 10)
  /// Hashes of the words, to compare and to grow by.
  private var hashes: [UInt64] = []

  /// Words in the table.
  var count: Int { hashes.count }

  /// Number of `word`, or `nil`.
  func id(of word: [UInt8]) -> Int32? {
    let slot = find(word, Self.hash(word))
    return slots[slot] < 0 ? nil : slots[slot]
  }

  /// Number of `word`, which is added if it is new.
  mutating func insert(_ word: [UInt8]) -> Int32 {
    let hash = Self.hash(word)
    let slot = find(word, hash)
    if slots[slot] >= 0 { return slots[slot] }
    let id = Int32(count)
    slots[slot] = id
    hashes.append(hash)
    bytes.append(contentsOf: word)
    offsets.append(bytes.count)
    if 2 * count > slots.count { grow() }
    return id
  }

  /// The bytes of word `id`.
  func word(_ id: Int) -> ArraySlice<UInt8> { bytes[offsets[id]..<offsets[id + 1]] }

  private func find(_ word: [UInt8], _ hash: UInt64) -> Int {
    var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
    while slots[slot] >= 0 {
      let id = Int(slots[slot])
      if hashes[id] == hash, matches(id, word) { return slot }
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  private func matches(_ id: Int, _ word: [UInt8]) -> Bool {
    let first = offsets[id]
    guard offsets[id + 1] - first == word.count else { return false }
    for i in word.indices where bytes[first + i] != word[i] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: -1, count: 2 * slots.count)
    for id in hashes.indices {
      var slot = Int(truncatingIfNeeded: hashes[id]) & (slots.count - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Int32(id)
    }
  }

  /// The library's own hash, seeded anew in each process, so that no file can be made to collide.
  private static func hash(_ word: [UInt8]) -> UInt64 {
    var hasher = Hasher()
    word.withUnsafeBytes { hasher.combine(bytes: $0) }
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }
}
