/// An embedding whose codes are settled and whose codewords still learn with the task: the last phase of training, or the
/// first one for a table that was compressed before.
public final class CodedEmbedding: EmbeddingLayer {
  /// How the rows of each tier are coded.
  public let tiers: [TierLayout]
  /// What the codes of each tier stand for: `[codebooks · codes][width]`, or `[bits + 1][dimension]` with the bias last.
  public let codewords: [Parameter]
  /// Number of rows.
  public let rows: Int
  private let name: String
  private let threads: Int
  private let storage: Codebook.Storage
  /// The tier of each row, and its codes: `[rows × 1]` and `[rows × most codes of a row]`, as a checkpoint holds them.
  private let tierOfRow: Matrix
  private let codes: Matrix
  private var ids: [Int32] = []
  /// All rows as they are outside training, until the codewords move.
  private var table: Matrix?

  /// Makes a layer of the codes and codewords of `model`.
  ///
  /// - Throws: `invalidArgument` for a model with norms, whose codewords describe unit rows; `outOfMemory`.
  public convenience init(
    _ model: CompressedModel, name: String = "embedding", threads: Int = 0
  ) throws(DPQError) {
    try self.init(
      rows: model.rows, tiers: model.tiers.map(\.layout), storage: model.tiers[0].shape.storage, name: name,
      threads: threads)
    try start(from: model)
  }

  /// Makes a layer whose codes are still to come.
  init(rows: Int, tiers: [TierLayout], storage: Codebook.Storage, name: String, threads: Int) throws(DPQError) {
    self.rows = rows
    self.tiers = tiers
    self.storage = storage
    self.name = name
    self.threads = threads
    tierOfRow = try Matrix(rows: rows, columns: 1)
    codes = try Matrix(rows: rows, columns: tiers.map(\.groups).max() ?? 1)
    var codewords: [Parameter] = []
    for (t, tier) in tiers.enumerated() {
      let width = tier.concat?.width ?? tier.dimension
      codewords.append(
        try Parameter(name: "\(name).codewords.\(t)", value: Matrix(rows: tier.valueCount / width, columns: width)))
    }
    self.codewords = codewords
  }

  /// Takes over codes and codewords.
  ///
  /// - Throws: `invalidArgument` for a model of other rows or tiers, or with norms.
  func start(from model: CompressedModel) throws(DPQError) {
    guard model.rows == rows, model.tiers.map(\.layout) == tiers, model.norms == nil else {
      throw DPQError(.invalidArgument, "the codes do not fit the layer, or they describe unit rows")
    }
    table = nil
    for (t, tier) in model.tiers.enumerated() {
      let values =
        switch tier.codewords {
        case .concat(let codebook): codebook.values
        case .binary(let basis): basis.values + basis.bias
        }
      let matrix = codewords[t].value
      var target = matrix.mutableValues
      for i in target.indices { target[i] = values[i] }
    }
    var next = [Int](repeating: 0, count: tiers.count)
    for row in 0..<rows {
      let t = model.map?[row] ?? 0
      let tier = model.tiers[t]
      let bits = tier.layout.bitsPerRow / tier.layout.groups
      let packed = tier.codes[(next[t] * tier.layout.rowBytes)..<((next[t] + 1) * tier.layout.rowBytes)]
      next[t] += 1
      tierOfRow[row, 0] = Float(t)
      for j in 0..<tier.layout.groups {
        var code = 0
        for b in 0..<bits {
          let bit = j * bits + b
          code |= Int(packed[packed.startIndex + bit / 8] >> UInt8(bit % 8) & 1) << b
        }
        codes[row, j] = Float(min(code, tier.layout.codes - 1))
      }
    }
  }

  /// Values a row.
  public var dimension: Int { tiers[0].dimension }
  /// The codewords of each tier.
  public var parameters: [Parameter] { codewords }
  /// Tiers and codes of the rows.
  public var buffers: [(name: String, value: Matrix)] {
    [("\(name).tiers", tierOfRow), ("\(name).codes", codes)]
  }
  /// What the layer itself adds to the loss of the last training batch.
  public var regularization: Double { 0 }
  /// Codes, tier map and codewords.
  public var storedBytes: Int {
    TierShape.storedBytes(
      tiers.enumerated().map { t, layout in
        TierShape(layout: layout, storage: storage, rows: (0..<rows).count { Int(tierOfRow[$0, 0]) == t })
      })
  }

  /// Forgets the rows made of other codewords.
  public func reload() { table = nil }

  /// Writes the row of each id to `output`, `[ids.count × dimension]`.
  public func forward(_ ids: Span<Int32>, into output: inout MutableSpan<Float>, training: Bool) throws(DPQError) {
    try check(ids, output.count)
    guard training else {
      if table == nil { table = try model(vocabulary: nil, recipe: "{}").decoded(threads: threads) }
      try table?.gather(ids, into: &output, threads: threads)
      return
    }
    table = nil
    self.ids = ids.array
    for i in ids.indices {
      let row = Int(ids[i])
      let t = Int(tierOfRow[row, 0])
      let matrix = codewords[t].value
      let words = matrix.values
      let first = i * dimension
      if let layout = tiers[t].concat {
        for c in 0..<dimension {
          let j = c / layout.width
          output[first + c] = words[word(layout, row, j) * layout.width + c % layout.width]
        }
      } else {
        let bits = tiers[t].groups
        for c in 0..<dimension { output[first + c] = words[bits * dimension + c] }
        for j in 0..<bits where codes[row, j] > 0 {
          for c in 0..<dimension { output[first + c] += words[j * dimension + c] }
        }
      }
    }
  }

  /// Sets the gradients of the codewords from that by the last training output.
  public func backward(_ upstream: Span<Float>) throws(DPQError) {
    try checkUpstream(upstream.count, batch: ids.count)
    for words in codewords { words.gradient.clear(rows: 0..<words.gradient.rows) }
    for (i, id) in ids.enumerated() {
      let row = Int(id)
      let t = Int(tierOfRow[row, 0])
      let matrix = codewords[t].gradient
      var gradient = matrix.mutableValues
      let first = i * dimension
      if let layout = tiers[t].concat {
        for c in 0..<dimension {
          let j = c / layout.width
          gradient[word(layout, row, j) * layout.width + c % layout.width] += upstream[first + c]
        }
      } else {
        let bits = tiers[t].groups
        for c in 0..<dimension { gradient[bits * dimension + c] += upstream[first + c] }
        for j in 0..<bits where codes[row, j] > 0 {
          for c in 0..<dimension { gradient[j * dimension + c] += upstream[first + c] }
        }
      }
    }
  }

  /// The row of ``codewords`` that group `j` of `row` stands for.
  private func word(_ layout: CodeLayout, _ row: Int, _ j: Int) -> Int {
    (layout.isShared ? 0 : j * layout.codes) + Int(codes[row, j])
  }

  /// The compressed table.
  public func export(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel? {
    try model(vocabulary: vocabulary, recipe: recipe)
  }

  /// The compressed table.
  func model(vocabulary: Vocabulary?, recipe: String) throws(DPQError) -> CompressedModel {
    var packed = [[UInt8]](repeating: [], count: tiers.count)
    for row in 0..<rows {
      let t = Int(tierOfRow[row, 0])
      let bits = tiers[t].bitsPerRow / tiers[t].groups
      var bytes = [UInt8](repeating: 0, count: tiers[t].rowBytes)
      for j in 0..<tiers[t].groups {
        for b in 0..<bits where Int(codes[row, j]) >> b & 1 == 1 {
          bytes[(j * bits + b) / 8] |= 1 << UInt8((j * bits + b) % 8)
        }
      }
      packed[t] += bytes
    }
    var parts: [Tier] = []
    for (t, layout) in tiers.enumerated() {
      let values = codewords[t].value.array
      switch layout {
      case .concat(let layout):
        parts.append(try Tier(.concat(Codebook(layout: layout, values: values, storage: storage)), codes: packed[t]))
      case .binary(let layout):
        let vectors = layout.bits * layout.dimension
        let basis = try BinaryBasis(
          layout: layout, values: Array(values[..<vectors]), bias: Array(values[vectors...]), storage: storage)
        parts.append(try Tier(.binary(basis), codes: packed[t]))
      }
    }
    return try CompressedModel(
      tiers: parts, tierOfRow: tiers.count == 1 ? nil : (0..<rows).map { Int(tierOfRow[$0, 0]) },
      assignment: .response, vocabulary: vocabulary, recipe: recipe)
  }
}

extension TierShape {
  /// Bytes of codes, codewords and, for several tiers, the tier map.
  static func storedBytes(_ tiers: [TierShape]) -> Int {
    let rows = tiers.reduce(0) { $0 + $1.rows }
    let map = tiers.count == 1 ? 0 : TierMap.byteCount(rows: rows, tiers: tiers.count)
    return tiers.reduce(map) { $0 + $1.rows * $1.layout.rowBytes + $1.layout.valueCount * $1.storage.byteCount }
  }
}
