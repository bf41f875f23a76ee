import CZlib

/// Decompresses gzip (one member after another) or raw deflate data as it is read.
final class InflateSource: ByteSource {
  enum Container { case gzip, raw }

  private var upstream: ByteStream
  private let container: Container
  private let state: UnsafeMutablePointer<z_stream>
  private var isBetweenMembers = false
  private var hasEnded = false

  init(_ upstream: consuming ByteStream, container: Container) throws(DPQError) {
    self.upstream = upstream
    self.container = container
    state = .allocate(capacity: 1)
    state.initialize(to: z_stream())
    let bits: Int32 = container == .gzip ? 15 + 16 : -15
    guard inflateInit2_(state, bits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw DPQError(.outOfMemory, "no memory for decompression")
    }
  }

  deinit {
    inflateEnd(state)
    state.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int {
    let room = min(buffer.count, 1 << 30)
    state.pointee.next_out = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
    state.pointee.avail_out = UInt32(room)
    while Int(state.pointee.avail_out) == room && !hasEnded {
      try upstream.fill(1)
      if isBetweenMembers {
        // Tape tools pad with zeros; anything else must be another member.
        while upstream.withWindow({ $0.first == 0 }) {
          upstream.skip(1)
          try upstream.fill(1)
        }
        if upstream.isAtEnd {
          hasEnded = true
          break
        }
        inflateReset(state)
        isBetweenMembers = false
      }
      if upstream.isAtEnd {
        throw DPQError(
          .truncatedInput, "the compressed data ends early: the file is incomplete", .init(byte: upstream.position))
      }
      let (result, used) = upstream.withWindow { input in
        let count = min(input.count, 1 << 30)
        state.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress!)
        state.pointee.avail_in = UInt32(count)
        let result = inflate(state, Z_NO_FLUSH)
        return (result, count - Int(state.pointee.avail_in))
      }
      upstream.skip(used)
      switch result {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END:
        if container == .gzip { isBetweenMembers = true } else { hasEnded = true }
      case Z_MEM_ERROR: throw DPQError(.outOfMemory, "no memory for decompression")
      default:
        throw DPQError(
          .malformedInput,
          "the compressed data is damaged: make or fetch the file again", .init(byte: upstream.position))
      }
    }
    return room - Int(state.pointee.avail_out)
  }
}

/// CRC-32 as zip files use it.
enum CRC32 {
  static func of(_ region: MemoryRegion, _ range: Range<Int>) -> UInt32 {
    UInt32(crc32_z(0, (region.base + range.lowerBound).assumingMemoryBound(to: UInt8.self), range.count))
  }
}
