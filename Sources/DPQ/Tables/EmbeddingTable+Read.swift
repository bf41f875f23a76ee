extension EmbeddingTable {
  /// Reads a plain table; the format is told by the contents, gzip and zstd are undone, `-` is standard input.
  ///
  /// Binary tables in a file are mapped and not copied; everything else is read once, into memory that grows without
  /// being copied.
  ///
  /// - Throws: `inputNotFound` (no such file, or no tensor of the name asked for), `malformedInput` (not a table,
  ///   ragged rows, a compressed table), `truncatedInput`, `nonFiniteValue`, `duplicateWord`, `invalidArgument` (several
  ///   tensors could be meant), `inputOutput`, `outOfMemory`; the context names the file and the row, line or byte.
  public static func read(_ path: String, options: TableReadOptions = .init()) throws(DPQError) -> EmbeddingTable {
    do throws(DPQError) {
      var input = try InputFile(path)
      try input.stream.fill(TextTable.sampleBytes)
      let format = try TableFormat.detect(input.stream.window, size: input.contentBytes)
      if let format, format.isStreamed {
        return try read(&input.stream, format: format, contentBytes: input.contentBytes, input.storedBytes, options)
      }
      let contents = try input.contents()
      let sourceBytes = input.storedBytes ?? contents.byteCount
      if let format { return try read(contents, format: format, sourceBytes: sourceBytes, options) }
      let known = try TableFormat.detect(contents.span, size: contents.byteCount)
      return try read(contents, format: known!, sourceBytes: sourceBytes, options)
    } catch {
      throw error.inFile(path)
    }
  }

  /// Reads a format that is used where it lies.
  private static func read(
    _ contents: MemoryRegion, format: TableFormat, sourceBytes: Int, _ options: TableReadOptions
  ) throws(DPQError) -> EmbeddingTable {
    let table: EmbeddingTable =
      switch format {
      case .npy: try NPYTable.read(contents, 0..<contents.byteCount, sourceBytes: sourceBytes)
      case .npz: try NPZTable.read(contents, name: options.tensor, sourceBytes: sourceBytes)
      case .fastTextBin: try FastTextModel.read(contents, sourceBytes: sourceBytes)
      case .fbin: try CountedTable.fbin(contents, sourceBytes: sourceBytes)
      case .fvecs: try CountedTable.fvecs(contents, sourceBytes: sourceBytes)
      default: try SafetensorsTable.read(contents, name: options.tensor, sourceBytes: sourceBytes)
      }
    return try table.cleaned(options)
  }

  /// Reads a format that has to be copied row by row.
  private static func read(
    _ stream: inout ByteStream, format: TableFormat, contentBytes: Int?, _ storedBytes: Int?,
    _ options: TableReadOptions
  ) throws(DPQError) -> EmbeddingTable {
    switch format {
    case .word2vecBinary:
      try Word2VecBinary.read(&stream, contentBytes: contentBytes, storedBytes: storedBytes).cleaned(options)
    case .glove:
      try TextTable.read(&stream, hasHeader: false, storedBytes: storedBytes).cleaned(options, firstLine: 1)
    default:
      try TextTable.read(&stream, hasHeader: true, storedBytes: storedBytes).cleaned(options, firstLine: 2)
    }
  }
}

extension TableFormat {
  /// Whether rows have to be copied out of the file one by one; the others are used where they lie.
  fileprivate var isStreamed: Bool { holdsWords && self != .fastTextBin }
}
