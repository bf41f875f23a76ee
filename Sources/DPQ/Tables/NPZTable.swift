/// Reads a table from NumPy's `.npz`, a zip file of `.npy` members (APPNOTE.TXT 6.3; stored, deflated, zip64).
enum NPZTable {
  private struct Member {
    var name: String
    var isDeflated: Bool
    var checksum: UInt32
    var uncompressedBytes: Int
    var range: Range<Int>

    /// The name NumPy shows.
    var arrayName: String { name.hasSuffix(".npy") ? String(name.dropLast(4)) : name }
  }

  /// Makes a table of the array called `name`, or of the only one that is a table; stored members cost no copy.
  ///
  /// - Throws: `inputNotFound` where there is no array `name`; `malformedInput`, `truncatedInput`; `checksumMismatch`;
  ///   `invalidArgument` where several arrays could be meant.
  static func read(_ region: MemoryRegion, name: String?, sourceBytes: Int) throws(DPQError) -> EmbeddingTable {
    let members = try directory(region)
    let member: Member
    if let name {
      guard let named = members.first(where: { $0.arrayName == name || $0.name == name }) else {
        throw DPQError(
          .inputNotFound,
          "there is no array \(name): \(TensorChoice.list(try tables(region, members).map(\.arrayName)))")
      }
      member = named
    } else {
      let candidates = try tables(region, members)
      guard candidates.count == 1 else { throw TensorChoice.unclear(candidates.map(\.arrayName)) }
      member = candidates[0]
    }
    return try read(region, member, sourceBytes: sourceBytes)
  }

  private static func read(
    _ region: MemoryRegion, _ member: Member, sourceBytes: Int
  ) throws(DPQError) -> EmbeddingTable {
    var contents = region
    var range = member.range
    if member.isDeflated {
      var stream = try decompressed(region, member)
      var memory = GrowableMemory()
      let isWhole = try memory.append(member.uncompressedBytes, from: &stream)
      try stream.fill(1)
      let isLonger = !stream.isAtEnd
      contents = memory.share()
      range = 0..<contents.byteCount
      guard isWhole && !isLonger else {
        throw DPQError(
          .malformedInput,
          "array \(member.arrayName) is not the \(member.uncompressedBytes) bytes long that the file says")
      }
    }
    guard CRC32.of(contents, range) == member.checksum else {
      throw DPQError(
        .checksumMismatch, "array \(member.arrayName) does not match its checksum: the file is damaged",
        .init(byte: member.range.lowerBound))
    }
    return try NPYTable.read(contents, range, sourceBytes: sourceBytes)
  }

  /// The members whose header says that they are a table.
  private static func tables(_ region: MemoryRegion, _ members: [Member]) throws(DPQError) -> [Member] {
    var found: [Member] = []
    for member in members where member.name.hasSuffix(".npy") {
      var stream =
        member.isDeflated
        ? try decompressed(region, member) : try ByteStream(MemorySource(region, member.range))
      try stream.fill(1 << 16)
      guard stream.window.starts(with: NPYHeader.magic) else { continue }
      // Arrays of strings and records are no tables, whatever their headers hold.
      if let header = try? NPYHeader(stream.window), header.isTable { found.append(member) }
    }
    return found
  }

  private static func decompressed(_ region: MemoryRegion, _ member: Member) throws(DPQError) -> ByteStream {
    try ByteStream(InflateSource(ByteStream(MemorySource(region, member.range)), container: .raw))
  }

  /// The members by the central directory at the end of the file.
  private static func directory(_ region: MemoryRegion) throws(DPQError) -> [Member] {
    let file = region.span
    var (offset, count) = try directoryPlace(file)
    var members: [Member] = []
    while count > 0 {
      guard offset <= file.count - 46, file.integer(at: offset, as: UInt32.self) == 0x0201_4B50 else {
        throw damaged(offset)
      }
      let flags: UInt16 = file.integer(at: offset + 8)
      let method: UInt16 = file.integer(at: offset + 10)
      let checksum: UInt32 = file.integer(at: offset + 16)
      var compressed = UInt64(file.integer(at: offset + 20, as: UInt32.self))
      var uncompressed = UInt64(file.integer(at: offset + 24, as: UInt32.self))
      let nameBytes = Int(file.integer(at: offset + 28, as: UInt16.self))
      let extraBytes = Int(file.integer(at: offset + 30, as: UInt16.self))
      let commentBytes = Int(file.integer(at: offset + 32, as: UInt16.self))
      var local = UInt64(file.integer(at: offset + 42, as: UInt32.self))
      let next = offset + 46 + nameBytes + extraBytes + commentBytes
      guard next <= file.count else { throw damaged(offset) }
      let name = file.text(offset + 46..<offset + 46 + nameBytes)

      // zip64: the values that do not fit 32 bits stand in an extra field, in this order.
      var field = offset + 46 + nameBytes
      let fieldsEnd = field + extraBytes
      while field + 4 <= fieldsEnd {
        let id: UInt16 = file.integer(at: field)
        let end = field + 4 + Int(file.integer(at: field + 2, as: UInt16.self))
        guard end <= fieldsEnd else { break }
        var value = field + 4
        func widen(_ number: inout UInt64) throws(DPQError) {
          guard number == 0xFFFF_FFFF else { return }
          guard value + 8 <= end else { throw damaged(field) }
          number = file.integer(at: value)
          value += 8
        }
        if id == 1 {
          try widen(&uncompressed)
          try widen(&compressed)
          try widen(&local)
        }
        field = end
      }

      guard flags & 1 == 0 else { throw DPQError(.malformedInput, "member \(name) is encrypted: save it without") }
      guard method == 0 || method == 8 else {
        throw DPQError(
          .malformedInput,
          "member \(name) is compressed by method \(method): numpy.savez_compressed writes what is known")
      }
      guard local <= UInt64(file.count), file.count - Int(local) >= 30,
        file.integer(at: Int(local), as: UInt32.self) == 0x0403_4B50
      else { throw damaged(offset) }
      let start =
        Int(local) + 30 + Int(file.integer(at: Int(local) + 26, as: UInt16.self))
        + Int(file.integer(at: Int(local) + 28, as: UInt16.self))
      guard start <= file.count, compressed <= UInt64(file.count - start), uncompressed <= UInt64(Int.max),
        method == 8 || compressed == uncompressed
      else { throw damaged(Int(local)) }
      members.append(
        Member(
          name: name, isDeflated: method == 8, checksum: checksum, uncompressedBytes: Int(uncompressed),
          range: start..<start + Int(compressed)))
      offset = next
      count -= 1
    }
    return members
  }

  /// Where the central directory starts and how many members it lists.
  private static func directoryPlace(_ file: Span<UInt8>) throws(DPQError) -> (offset: Int, count: Int) {
    // The end record is 22 bytes and a comment of at most 65 535.
    var end = file.count - 22
    let stop = max(0, file.count - 22 - 0xFFFF)
    while end >= stop && file.integer(at: end, as: UInt32.self) != 0x0605_4B50 { end -= 1 }
    guard end >= stop else {
      throw DPQError(
        .truncatedInput,
        "the directory at the end of the zip file is missing: it is incomplete", .init(byte: file.count))
    }
    var count = UInt64(file.integer(at: end + 10, as: UInt16.self))
    var offset = UInt64(file.integer(at: end + 16, as: UInt32.self))
    if count == 0xFFFF || offset == 0xFFFF_FFFF, end >= 20, file.integer(at: end - 20, as: UInt32.self) == 0x0706_4B50 {
      let record: UInt64 = file.integer(at: end - 12)
      guard record <= UInt64(file.count), file.count - Int(record) >= 56,
        file.integer(at: Int(record), as: UInt32.self) == 0x0606_4B50
      else { throw damaged(end) }
      count = file.integer(at: Int(record) + 32)
      offset = file.integer(at: Int(record) + 48)
    }
    // Every entry takes 46 bytes or more.
    guard offset <= UInt64(file.count), count <= UInt64(file.count / 46) else { throw damaged(end) }
    return (Int(offset), Int(count))
  }

  private static func damaged(_ byte: Int) -> DPQError {
    DPQError(.malformedInput, "the directory of the zip file is damaged", .init(byte: byte))
  }
}
