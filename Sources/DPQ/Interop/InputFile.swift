/// A file, pipe or standard input, opened for reading, decompressed where it is gzip or zstd.
struct InputFile: ~Copyable {
  enum Compression { case none, gzip, zstd }

  let compression: Compression
  /// Bytes of the file as stored, where known before it is read.
  let storedBytes: Int?
  private let file: FileSource
  /// The decompressed bytes.
  var stream: ByteStream

  /// Opens `path`; `-` is standard input.
  ///
  /// - Throws: `inputNotFound`, `malformedInput` for a folder or damaged compression, `inputOutput`.
  init(_ path: String) throws(DPQError) {
    let file = FileSource(descriptor: try SystemCall.openForReading(path))
    var stream = try ByteStream(file)
    try stream.fill(4)
    let compression = Self.compression(of: stream.window)
    let decompressed: ByteStream
    switch compression {
    case .none: decompressed = stream
    case .gzip: decompressed = try ByteStream(InflateSource(stream, container: .gzip))
    case .zstd: decompressed = try ByteStream(ZstdSource(stream))
    }
    self.file = file
    self.compression = compression
    self.storedBytes = SystemCall.regularFileSize(file.descriptor)
    self.stream = decompressed
  }

  /// Bytes of the decompressed contents, where known before they are read.
  var contentBytes: Int? { compression == .none ? storedBytes : nil }

  /// All of the contents: mapped where the file is a plain one, else read into memory. Nothing may have been consumed.
  mutating func contents() throws(DPQError) -> MemoryRegion {
    precondition(stream.position == 0)
    if let size = contentBytes { return try MappedFile.map(descriptor: file.descriptor, byteCount: size) }
    return try stream.readAll()
  }

  private static func compression(of window: Span<UInt8>) -> Compression {
    if window.starts(with: [0x1F, 0x8B, 0x08]) { return .gzip }
    if window.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) { return .zstd }
    // A skippable frame may come first.
    if window.count >= 4, window[0] & 0xF0 == 0x50, window.starts(with: [0x2A, 0x4D, 0x18], at: 1) { return .zstd }
    return .none
  }
}
