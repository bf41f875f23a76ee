// libFuzzer targets: the readers of plain tables, of words and weights, and of compressed tables. One executable serves
// them all: the name it is run under chooses. Errors thrown are what is wanted of damaged files; traps, reports of the
// sanitizers, leaks, large allocations and long runs are findings.
import CZlib
import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private enum Target: String {
  /// Words of a table and weights of its rows.
  case lists
  /// Compressed tables, as Swift reads them.
  case models
  /// Any plain table.
  case tables
}

nonisolated(unsafe) private var target = Target.tables
nonisolated(unsafe) private var input: Int32 = -1
nonisolated(unsafe) private var other: Int32 = -1

@_cdecl("LLVMFuzzerInitialize")
func initialize(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> CInt {
  let name = String(cString: arguments.pointee[0])
  target = Target(rawValue: String(name.split(separator: "/").last ?? "")) ?? .tables
  input = temporaryFile()
  other = temporaryFile()
  return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = UnsafeBufferPointer(start: data, count: count)
  fill(input, bytes)
  var hash: UInt64 = 14_695_981_039_346_656_037
  for byte in bytes { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
  hash ^= hash >> 32
  switch target {
  case .lists: useLists(hash)
  case .models: useModel()
  case .tables: useTable(bytes, hash)
  }
  return 0
}

// MARK: - plain tables

/// Rows longer than this are honest in a table without rows or with a shared codebook, and would only cost time.
private let longestRow = 1 << 12

private func useTable(_ bytes: UnsafeBufferPointer<UInt8>, _ hash: UInt64) {
  let options = TableReadOptions(
    duplicates: DuplicatePolicy.allCases[Int(hash % 3)], nonFinite: NonFinitePolicy.allCases[Int(hash / 3 % 3)],
    threads: 1)
  let table = try? EmbeddingTable.read(path(input), options: options)
  if let table {
    useRows(table)
    if hash / 9 % 16 == 0 { checkRoundTrip(table) }
  }
  // The same bytes from a stream make the same table, unless they are a stream already: only one is undone.
  if hash / 9 % 4 == 1 && !isCompressed(bytes) {
    let packed = gzip(bytes)
    packed.withUnsafeBufferPointer { fill(other, $0) }
    let streamed = try? EmbeddingTable.read(path(other), options: options)
    precondition((table == nil) == (streamed == nil), "a table and its gzipped copy differ in being read")
    if let table, let streamed { checkSame(table, streamed) }
  }
}

private func useRows(_ table: EmbeddingTable) {
  if table.rows > 0 && table.dimension <= longestRow {
    for id in [0, table.rows / 2, table.rows - 1] { precondition((try? table.row(id)) != nil) }
  }
  precondition((try? table.row(table.rows)) == nil)
  guard let vocabulary = table.vocabulary else { return }
  precondition(vocabulary.count == table.rows)
  use(vocabulary)
}

private func use(_ vocabulary: Vocabulary) {
  _ = vocabulary.firstDuplicate()
  for id in [0, vocabulary.count / 2, vocabulary.count - 1] where id >= 0 && id < vocabulary.count {
    // A word that is not UTF-8 is repaired, and then another or none.
    if let found = vocabulary.id(of: vocabulary[id]) { precondition(vocabulary[found] == vocabulary[id]) }
  }
}

private func checkSame(_ left: EmbeddingTable, _ right: EmbeddingTable) {
  precondition(left.rows == right.rows && left.dimension == right.dimension)
  precondition((left.vocabulary == nil) == (right.vocabulary == nil))
  guard left.dimension <= longestRow else { return }
  for id in 0..<min(left.rows, 64) {
    let (a, b) = (try! left.row(id), try! right.row(id))
    precondition(a.map(\.bitPattern) == b.map(\.bitPattern))
    if let words = left.vocabulary { precondition(words[id] == right.vocabulary![id]) }
  }
}

/// What is written is read back.
private func checkRoundTrip(_ table: EmbeddingTable) {
  guard table.rows * table.dimension <= longestRow else { return }
  let file = "/tmp/dpq-fuzz-\(getpid())"
  defer { unlink(file) }
  // Formats with words are not compared: those of a few bytes may look like another format.
  precondition((try? table.write(to: file, format: .npy, replacing: true)) != nil)
  let again = try? EmbeddingTable.read(file, options: .init(nonFinite: .zero, threads: 1))
  precondition(again?.dimension == table.dimension && again?.rows == table.rows)
}

// MARK: - words and weights

private let words = ["cat", "dog", "new york", "w3", "é", ""]

private func useLists(_ hash: UInt64) {
  let rows = [nil, 0, 5, 16, 20][Int(hash % 5)]
  if let vocabulary = try? Vocabulary.read(path(input), rows: rows) {
    precondition(rows == nil || vocabulary.count == rows)
    use(vocabulary)
  }
  let values = [Float](repeating: 1, count: 2 * words.count)
  let table = try! EmbeddingTable(
    rows: words.count, dimension: 2, values: values.span, vocabulary: hash % 2 == 0 ? Vocabulary(words) : nil)
  if let weights = try? RowWeights.read(path(input), table: table) {
    precondition(weights.count == table.rows && weights.allSatisfy { $0 >= 0 && $0.isFinite })
  }
}

// MARK: - compressed tables

private func useModel() {
  _ = CompressedFile.isCompressed(path(input))
  guard let model = try? CompressedTable(path: path(input)) else { return }
  _ = (model.recipe, model.sections)
  let isSound = (try? model.verify()) != nil
  let vocabulary = try? model.vocabulary()
  if let vocabulary { use(vocabulary) }
  precondition(!isSound || model.hasVocabulary == (vocabulary != nil))
  for id in [-1, 0, model.rows - 1, model.rows] {
    if let word = model.word(id) { _ = model.id(of: word) }
  }
  for (index, tier) in model.tiers.enumerated() {
    _ = try? model.codewords(tier: index)
    _ = model.codes(tier: index)
    if tier.layout.groups * tier.layout.codes <= longestRow { _ = try? model.codeUse(tier: index) }
  }
  let map = try? model.map()
  precondition(!isSound || (model.tiers.count > 1) == (map != nil))
  _ = model.norms()
  guard model.dimension <= longestRow else { return }
  let query = [Float](repeating: 0.5, count: model.dimension)
  for similarity in Similarity.allCases {
    let found = try? model.neighbors(of: query.span, count: 3, similarity: similarity, excluding: 0)
    precondition(found == nil || found!.count <= 3)
  }
  guard model.rows > 0 else { return }
  let count = min(model.rows, max(1, longestRow / model.dimension))
  var one = [Float](repeating: 0, count: count * model.dimension)
  var several = one
  var left = one.mutableSpan
  precondition((try? model.read(first: 0, count: count, into: &left)) != nil)
  var right = several.mutableSpan
  precondition((try? model.read(first: 0, count: count, into: &right, threads: 2)) != nil)
  precondition(one.map(\.bitPattern) == several.map(\.bitPattern))
  useEncoder(model)
}

/// Codes new rows with the codebooks of the file, as `dpq encode` does.
private func useEncoder(_ model: borrowing CompressedTable) {
  let last = model.tiers.count - 1
  guard model.tiers.allSatisfy({ $0.layout.groups * $0.layout.codes <= 4096 }),
    let encoder = try? Encoder(model, tier: last)
  else { return }
  let values = (0..<2 * model.dimension).map { Float($0 % 7) - 3 }
  guard model.dimension <= 4096,
    let table = try? EmbeddingTable(
      rows: 2, dimension: model.dimension, values: values.span,
      vocabulary: model.hasVocabulary ? Vocabulary(["first new", "second new"]) : nil),
    let coded = try? encoder.encode(table, threads: 1)
  else { return }
  _ = try? coded.appended(to: model)
}

// MARK: - files

/// A file without a name; ``path(_:)`` opens it again.
private func temporaryFile() -> Int32 {
  var name = Array("/dev/shm/dpq-fuzz-XXXXXX\0".utf8CString)
  var descriptor = mkstemp(&name)
  if descriptor < 0 {
    name = Array("/tmp/dpq-fuzz-XXXXXX\0".utf8CString)
    descriptor = mkstemp(&name)
  }
  precondition(descriptor >= 0, "no temporary file")
  unlink(name)
  return descriptor
}

private func path(_ descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }

private func fill(_ descriptor: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
  precondition(ftruncate(descriptor, 0) == 0)
  precondition(pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
}

/// Whether the input starts like gzip, zstd or a skippable frame of zstd.
private func isCompressed(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
  let skippable: [UInt8] = [0x2A, 0x4D, 0x18]
  return bytes.starts(with: [0x1F, 0x8B, 0x08]) || bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD])
    || bytes.dropFirst().starts(with: skippable)
}

private func gzip(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8] {
  var stream = z_stream()
  precondition(
    deflateInit2_(
      &stream, 1, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size)) == Z_OK)
  defer { deflateEnd(&stream) }
  let room = Int(deflateBound(&stream, UInt(bytes.count)))
  return [UInt8](unsafeUninitializedCapacity: room) { output, used in
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
    stream.avail_in = UInt32(bytes.count)
    stream.next_out = output.baseAddress
    stream.avail_out = UInt32(room)
    precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
    used = room - Int(stream.avail_out)
  }
}
