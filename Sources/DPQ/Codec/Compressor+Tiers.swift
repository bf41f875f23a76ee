extension Compressor {
  /// The layout of the one tier that the options ask for.
  func tierLayout(for table: EmbeddingTable) throws(DPQError) -> TierLayout {
    guard options.method == .binary else { return .concat(try chooseLayout(for: table)) }
    return .binary(try binaryLayout(for: table))
  }

  private func binaryLayout(for table: EmbeddingTable) throws(DPQError) -> BinaryLayout {
    guard let bits = options.bits else { throw DPQError(.invalidArgument, "binary codes need their number of bits") }
    return try BinaryLayout(dimension: table.dimension, bits: bits)
  }

  /// One binary tier.
  func compressToBits(
    _ table: EmbeddingTable, _ progress: (CompressionProgress) -> Bool
  ) throws(DPQError) -> Compression {
    let started = Runtime.clock
    let layout = try binaryLayout(for: table)
    let prepared = try PreparedTable(table, options)
    let sample = trainingRows(of: table)
    let training: TrainingSet
    if let sample {
      var generator = SeededGenerator(seed: options.seed, stream: 1 << 42)
      training = try prepared.sample(generator.evenSample(sample, below: table.rows))
    } else {
      training = try prepared.all()
    }
    let turns = options.epochs ?? Self.defaultEpochs(.binary)
    let watch = Watch(epochs: turns, codesTotal: 2 * layout.bits)
    try watch.report(.seed, 0, 0, progress)
    let trainer = BinaryTrainer(
      training: training, layout: layout, storage: options.codebookStorage, seed: options.seed, threads: options.threads
    )
    let basis = try trainer.train(turns: turns) { (turn, _) throws(DPQError) in
      try watch.report(.train, turn, 0.1 + 0.5 * Double(turn) / Double(turns), progress)
    }
    let recipe = Recipe(options, layouts: [.binary(layout)], sample: sample).json
    return try finish(
      prepared, [.binary(basis)], tierOfRow: nil, recipe: recipe, epochs: turns, started: started, watch: watch,
      progress)
  }

  /// Several tiers, each row in the one that pays best (rate–distortion; after AdaComp: Kim, Kim, Lee 2020).
  func compressAdaptively(
    _ table: EmbeddingTable, _ adaptive: AdaptiveOptions, _ progress: (CompressionProgress) -> Bool
  ) throws(DPQError) -> Compression {
    let started = Runtime.clock
    guard adaptive.targetBits > 0, adaptive.targetBits.isFinite else {
      throw DPQError(.invalidArgument, "\(adaptive.targetBits) bits a row are not possible")
    }
    var layouts = adaptive.tiers
    if layouts.isEmpty {
      layouts = try TierLayout.defaults(dimension: table.dimension, targetBits: adaptive.targetBits)
    }
    layouts = layouts.enumerated().sorted { ($0.element.bitsPerRow, $0.offset) < ($1.element.bitsPerRow, $1.offset) }
      .map(\.element)
    guard (2...256).contains(layouts.count), Set(layouts).count == layouts.count else {
      throw DPQError(.invalidArgument, "\(layouts.count) tiers are not possible: give 2 to 256 that differ")
    }
    let mapBits = Double(TierMap.bits(tiers: layouts.count))
    guard adaptive.targetBits > Double(layouts[0].bitsPerRow) + mapBits else {
      throw DPQError(
        .invalidArgument,
        "the shortest codes take \(layouts[0].bitsPerRow) bits a row and the tier map \(Int(mapBits)): ask for more than "
          + "\(adaptive.targetBits) bits, or give shorter tiers")
    }
    guard layouts[0].fewestRows <= table.rows else {
      throw DPQError(
        .invalidArgument, "\(table.rows) rows are too few for tiers of \(layouts[0].fewestRows) rows and more")
    }
    let prepared = try PreparedTable(table, options)
    let watch = Watch(epochs: 12, codesTotal: layouts.reduce(0) { $0 + $1.groups * $1.codes })
    try watch.report(.seed, 0, 0, progress)
    let trainer = AdaptiveTrainer(
      prepared: prepared, options: options, layouts: layouts, targetBits: adaptive.targetBits)
    let trained = try trainer.run { (turn, _) throws(DPQError) in
      try watch.report(.train, turn, 0.3 + 0.05 * Double(turn), progress)
    }
    return try finish(
      prepared, trained.codewords, tierOfRow: trained.codewords.count > 1 ? trained.tierOfRow : nil,
      recipe: Recipe(options, layouts: layouts, sample: nil).json, epochs: trained.turns, started: started,
      watch: watch, progress)
  }

  /// Tells the caller where the work stands.
  struct Watch {
    let epochs: Int
    let codesTotal: Int

    func report(
      _ phase: CompressionProgress.Phase, _ epoch: Int, _ fraction: Double, _ progress: (CompressionProgress) -> Bool
    ) throws(DPQError) {
      let state = CompressionProgress(
        phase: phase, epoch: epoch, epochs: epochs, fraction: fraction, loss: nil, codesInUse: codesTotal,
        codesTotal: codesTotal)
      if !progress(state) { throw DPQError(.cancelled, "stopped") }
    }
  }

  /// Codes all rows, each in its tier, and measures them.
  private func finish(
    _ prepared: PreparedTable, _ codewords: [Tier.Codewords], tierOfRow: [Int]?, recipe: String, epochs: Int,
    started: Double, watch: Watch,
    _ progress: (CompressionProgress) -> Bool
  ) throws(DPQError) -> Compression {
    let encodingStarted = Runtime.clock
    let norms = prepared.norms.map(NormQuantizer.quantize)
    var error = Reconstruction()
    var tiers: [Tier] = []
    for (place, codewords) in codewords.enumerated() {
      let ids = tierOfRow.map { map in map.indices.filter { map[$0] == place } }
      let rows = try ids.map { (ids) throws(DPQError) in try prepared.rows.gather(ids) } ?? prepared.rows
      let codes = try codewords.encode(rows, threads: options.threads) { (_) throws(DPQError) in
        try watch.report(.encode, epochs, 0.9 + 0.05 * Double(place) / Double(tiers.count + 1), progress)
      }
      try codewords.measure(
        codes, of: ids, norms, against: prepared, threads: options.threads, into: &error
      ) { (_) throws(DPQError) in }
      tiers.append(Tier(codewords, codes: codes, rows: rows.count))
    }
    try watch.report(.encode, epochs, 1, progress)
    let model = try CompressedModel(
      tiers: tiers, tierOfRow: tierOfRow, norms: norms, vocabulary: prepared.table.vocabulary, recipe: recipe)
    return Compression(
      model: model, mse: error.mse, relativeError: error.relativeError,
      weightedRelativeError: error.weightedRelativeError, cosineMean: error.cosineMean, startMSE: nil, epochs: epochs,
      trainSeconds: encodingStarted - started, encodeSeconds: Runtime.clock - encodingStarted)
  }
}
