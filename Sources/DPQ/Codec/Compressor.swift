/// Learns codebooks for a table and codes its rows.
public struct Compressor: Sendable {
  /// What to make.
  public let options: CompressionOptions

  /// Makes a compressor; options are checked when a table is given.
  public init(_ options: CompressionOptions = CompressionOptions()) {
    self.options = options
  }

  /// Passes over the training rows that a method makes at most where ``CompressionOptions/epochs`` is `nil`.
  public static func defaultEpochs(_ method: CompressionOptions.Method) -> Int {
    switch method {
    case .binary: BinaryTrainer.defaultTurns
    case .kmeans: 25
    case .vq: 20
    // Slow, and more of them gain nothing that shows.
    case .sx: 5
    }
  }

  /// What compressing `table` would produce: the layout and the exact bytes of the file.
  ///
  /// With a goal this trains a few layouts on a sample to choose between them.
  ///
  /// - Throws: `invalidArgument` where an option is out of range or no layout meets the goal (the message says what
  ///   would do); `malformedInput` for a table without rows.
  public func plan(for table: EmbeddingTable) throws(DPQError) -> CompressionPlan {
    try checkOptions(for: table)
    if options.adaptive != nil {
      throw DPQError(
        .invalidArgument, "how many rows take which length shows only when they are trained: no plan is made")
    }
    return shape(of: table, layout: try tierLayout(for: table)).plan
  }

  /// Compresses `table`.
  ///
  /// `progress` is called between pieces of work; returning `false` stops with `cancelled`. Equal tables, options and
  /// seeds give equal models at any thread count.
  ///
  /// - Throws: as ``plan(for:)``; `nonFiniteValue` with the row; `outOfMemory`; `cancelled`.
  public func compress(
    _ table: EmbeddingTable, progress: (CompressionProgress) -> Bool = { _ in true }
  ) throws(DPQError) -> Compression {
    try checkOptions(for: table)
    if let row = try Rows(table).firstNonFinite(threads: options.threads) {
      throw DPQError(.nonFiniteValue, "a value is NaN or infinite: repair or remove the row", .init(row: row))
    }
    if let adaptive = options.adaptive { return try compressAdaptively(table, adaptive, progress) }
    if options.method == .binary { return try compressToBits(table, progress) }
    let started = Runtime.clock
    let layout = try chooseLayout(for: table)
    let prepared = try PreparedTable(table, options)
    let sample = trainingRows(of: table)
    let training: TrainingSet
    if let sample {
      var generator = SeededGenerator(seed: options.seed, stream: 1 << 42)
      training = try prepared.sample(generator.evenSample(sample, below: table.rows))
    } else {
      training = try prepared.all()
    }

    let trained = try Trainer(options: options, layout: layout, training: training).run(progress)
    // Input is finite, so a codeword can only fail to be where squares overflowed.
    if !trained.codebook.allSatisfy(\.isFinite) {
      let norms = try Rows(table).norms(threads: options.threads)
      throw PreparedTable.tooLarge(norms.indices.max { norms[$0] < norms[$1] } ?? 0)
    }
    let encodingStarted = Runtime.clock

    func report(_ fraction: Double, _ loss: Double?) throws(DPQError) {
      let state = CompressionProgress(
        phase: .encode, epoch: trained.epochs, epochs: trained.epochs, fraction: fraction, loss: loss,
        codesInUse: trained.codesInUse, codesTotal: layout.codebooks * layout.codes)
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
    let norms = prepared.norms.map(NormQuantizer.quantize)
    func code(_ values: [Float], from start: Double, _ length: Double) throws(DPQError) -> (
      Codebook, [UInt8], Reconstruction
    ) {
      let codebook = try Codebook(layout: layout, values: values, storage: options.codebookStorage)
      let codes = try codebook.encode(prepared.rows, threads: options.threads) {
        (share) throws(DPQError) in try report(start + share * length / 2, trained.loss)
      }
      var error = Reconstruction()
      try Tier.Codewords.concat(codebook).measure(
        codes, norms, against: prepared, threads: options.threads, into: &error
      ) {
        (share) throws(DPQError) in try report(start + (1 + share) * length / 2, trained.loss)
      }
      return (codebook, codes, error)
    }
    var (codebook, codes, error) = try code(trained.codebook, from: 0.9, trained.start == nil ? 0.1 : 0.05)
    var startMSE: Double?
    if let start = trained.start {
      let first = try code(start, from: 0.95, 0.05)
      startMSE = first.2.mse
      // What is written is never worse than the start, in what training minimises and in what is reported.
      if first.2.objective < error.objective || first.2.mse < error.mse { (codebook, codes, error) = first }
    }
    try report(1, trained.loss)
    let model = CompressedModel(
      rows: table.rows, codes: codes, codebook: codebook, norms: norms, vocabulary: table.vocabulary,
      recipe: Recipe(options, layouts: [.concat(layout)], sample: sample).json)
    return Compression(
      model: model, mse: error.mse, relativeError: error.relativeError,
      weightedRelativeError: error.weightedRelativeError, cosineMean: error.cosineMean,
      startMSE: startMSE, epochs: trained.epochs, trainSeconds: encodingStarted - started,
      encodeSeconds: Runtime.clock - encodingStarted)
  }
}
