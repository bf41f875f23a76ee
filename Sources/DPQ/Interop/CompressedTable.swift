import CKernels

/// A compressed table in a `.dpq` file: answers come from the codes, the table is never decoded as a whole.
///
/// The file is mapped, so that opening costs nothing and only what is used comes into memory. All methods may be called
/// from several threads at once. A file that someone shortens while it is open ends the process with a bus error, as for
/// every program that maps files; replacing it by renaming another over it is harmless.
public struct CompressedTable: ~Copyable, @unchecked Sendable {
  /// The file the table was opened from.
  public let path: String
  /// Number of rows.
  public let rows: Int
  /// Values of a row.
  public let dimension: Int
  /// What the codebooks describe: rows, or unit rows and norms.
  public let metric: Metric
  /// How the codes were chosen.
  public let assignment: Assignment
  /// How rows are coded, ascending by bits a row: one tier, or several with a ``map()``.
  public let tiers: [TierShape]
  /// Whether rows have words.
  public let hasVocabulary: Bool
  /// Bytes of the file.
  public let fileBytes: Int
  private let headerBytes: Int

  /// The table of the C core. It is never written after opening, which makes sharing it between threads safe.
  let handle: OpaquePointer
  /// What the table reads from where that is no file.
  private let contents: AlignedBuffer<UInt8>?

  /// Opens the file at `path` and checks its structure. Complexity: O(1) in the number of rows.
  ///
  /// - Throws: `inputNotFound`, `inputOutput`, `malformedInput` for a file that is no compressed table, `corruptFile`,
  ///   `unsupportedVersion`.
  public init(path: String) throws(DPQError) {
    try self.init(handle: Self.open(path), path: path, contents: nil)
  }

  /// Opens the bytes of a file in memory.
  ///
  /// - Throws: As for a file.
  init(contents: consuming AlignedBuffer<UInt8>) throws(DPQError) {
    var handle: OpaquePointer?
    var error = dpq_error()
    let status = dpq_table_open_memory(contents.pointer, contents.count, &handle, &error)
    try DPQError.check(status, error, file: "memory")
    try self.init(handle: handle!, path: "memory", contents: contents)
  }

  private init(handle: OpaquePointer, path: String, contents: consuming AlignedBuffer<UInt8>?) throws(DPQError) {
    do throws(DPQError) {
      var about = dpq_description()
      about.struct_size = MemoryLayout<dpq_description>.size
      try DPQError.check(dpq_table_describe(handle, &about))
      var tiers: [TierShape] = []
      for index in 0..<about.tiers { tiers.append(try Self.tier(index, of: handle, dimension: Int(about.dimension))) }
      self.tiers = tiers
      self.dimension = Int(about.dimension)
      self.rows = Int(about.rows)
      self.metric = Int(about.metric) == DPQ_METRIC_COSINE ? .cosine : .l2
      self.assignment = Int(about.assignment) == DPQ_ASSIGNMENT_RESPONSE ? .response : .nearest
      self.hasVocabulary = about.has_vocabulary != 0
      self.fileBytes = Int(about.file_bytes)
      self.headerBytes = Int(about.header_bytes)
      self.path = path
      self.handle = handle
      self.contents = contents
    } catch {
      dpq_table_close(handle)
      throw error.inFile(path)
    }
  }

  deinit { dpq_table_close(handle) }

  private static func open(_ path: String) throws(DPQError) -> OpaquePointer {
    var handle: OpaquePointer?
    var error = dpq_error()
    let status = dpq_table_open(path, nil, &handle, &error)
    try DPQError.check(status, error, file: path)
    return handle!
  }

  private static func tier(_ index: UInt32, of handle: OpaquePointer, dimension: Int) throws(DPQError) -> TierShape {
    var tier = dpq_tier_description()
    tier.struct_size = MemoryLayout<dpq_tier_description>.size
    try DPQError.check(dpq_table_describe_tier(handle, index, &tier))
    let layout: TierLayout =
      if Int(tier.kind) == DPQ_TIER_BINARY {
        .binary(try BinaryLayout(dimension: dimension, bits: Int(tier.groups)))
      } else {
        .concat(
          try CodeLayout(
            dimension: dimension, groups: Int(tier.groups), codes: Int(tier.codes), isShared: tier.shared != 0))
      }
    return TierShape(
      layout: layout, storage: Int(tier.codebook_type) == DPQ_CODEBOOK_F16 ? .float16 : .float32, rows: Int(tier.rows))
  }

  /// Mean bits of a row: its codes, its place in the tier map, and its norm code with the cosine metric.
  public var bitsPerRow: Double { TierShape.bitsPerRow(tiers, metric: metric) }
  /// The ratio as papers count: log2 K bits a code and float32 codewords, nothing else but the tier map.
  public var paperRatio: Double { TierShape.paperRatio(tiers) }

  /// What decided the result when the file was made, as JSON: method, options, seed, version. Empty where not recorded.
  public var recipe: String { dpq_table_metadata(handle, "recipe").map { String(cString: $0) } ?? "" }

  /// Bytes of each part of the file: `header`, then the tensors in file order.
  public var sections: [(name: String, bytes: Int)] {
    var sections = [(name: "header", bytes: headerBytes)]
    for index in 0..<dpq_table_section_count(handle) {
      var section = Self.emptySection
      guard dpq_table_section_at(handle, index, &section) == DPQ_OK else { continue }
      sections.append((String(cString: section.name), Int(section.bytes)))
    }
    return sections
  }

  /// Checks everything that opening does not: all checksums, codes in range, finite codewords, words in order.
  ///
  /// Reads the whole file.
  ///
  /// - Throws: `checksumMismatch`, `corruptFile`.
  public func verify() throws(DPQError) {
    var error = dpq_error()
    try DPQError.check(dpq_table_verify(handle, &error), error, file: path)
  }

  static var emptySection: dpq_section {
    var section = dpq_section()
    section.struct_size = MemoryLayout<dpq_section>.size
    return section
  }

  /// The bytes of a tensor, valid as long as the table; `nil` where the file has no such tensor.
  func section(_ name: String) -> UnsafeRawBufferPointer? {
    var section = Self.emptySection
    guard dpq_table_section_named(handle, name, &section) == DPQ_OK else { return nil }
    return UnsafeRawBufferPointer(start: section.data, count: Int(section.bytes))
  }
}

/// Compressed files among others.
public enum CompressedFile {
  /// Whether `path` is a regular file that says it is a compressed table, sound or damaged.
  ///
  /// Opening it tells what is wrong with a damaged one. Complexity: O(1) in the size of the file.
  public static func isCompressed(_ path: String) -> Bool {
    var handle: OpaquePointer?
    let status = Int(dpq_table_open(path, nil, &handle, nil))
    dpq_table_close(handle)
    return status == DPQ_OK || status == DPQ_ERROR_CORRUPT || status == DPQ_ERROR_VERSION
  }
}

extension DPQError {
  /// Turns a status of the runtime and its one line of explanation into an error.
  static func check(_ status: dpq_status, _ error: dpq_error, file: String) throws(DPQError) {
    if status == DPQ_OK { return }
    let message = withUnsafeBytes(of: error.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    do throws(DPQError) {
      try check(status, message.isEmpty ? nil : message)
    } catch {
      throw error.inFile(file)
    }
  }
}
