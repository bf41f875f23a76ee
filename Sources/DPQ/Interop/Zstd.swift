import CZstd

/// Decompresses zstd frames, one after another, as they are read.
final class ZstdSource: ByteSource {
  private var upstream: ByteStream
  private let state: OpaquePointer
  private var isInsideFrame = false

  init(_ upstream: consuming ByteStream) throws(DPQError) {
    self.upstream = upstream
    guard let state = ZSTD_createDStream() else { throw DPQError(.outOfMemory, "no memory for decompression") }
    self.state = state
  }

  deinit { ZSTD_freeDStream(state) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(DPQError) -> Int {
    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while output.pos == 0 {
      try upstream.fill(1)
      let atEnd = upstream.isAtEnd
      if atEnd && !isInsideFrame { return 0 }
      let (result, used) = upstream.withWindow { bytes in
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        let result = ZSTD_decompressStream(state, &output, &input)
        return (result, input.pos)
      }
      if ZSTD_isError(result) != 0 {
        let reason = String(cString: ZSTD_getErrorName(result))
        throw DPQError(
          .malformedInput, "the compressed data is damaged (\(reason)): make or fetch the file again",
          .init(byte: upstream.position))
      }
      upstream.skip(used)
      isInsideFrame = result != 0
      if atEnd && isInsideFrame && output.pos == 0 {
        throw DPQError(
          .truncatedInput, "the compressed data ends early: the file is incomplete", .init(byte: upstream.position))
      }
    }
    return output.pos
  }
}
