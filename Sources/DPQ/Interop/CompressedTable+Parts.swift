import CKernels

extension CompressedTable {
  /// What the codes of a tier stand for, copied.
  ///
  /// - Throws: `invalidArgument` where a value is not finite, or there is no such tier.
  public func codewords(tier: Int = 0) throws(DPQError) -> Tier.Codewords {
    let shape = try shape(ofTier: tier)
    switch shape.layout {
    case .concat(let layout):
      let values = UnsafeBufferPointer(start: dpq_table_codebook(handle, UInt32(tier)), count: layout.codebookCount)
      return .concat(try Codebook(layout: layout, values: [Float](values), storage: shape.storage))
    case .binary(let layout):
      let count = layout.bits * layout.dimension
      let values = UnsafeBufferPointer(start: dpq_table_codebook(handle, UInt32(tier)), count: count)
      let bias = section("tier.\(tier).bias").map { bytes -> [Float] in
        switch shape.storage {
        case .float32: [Float](bytes.assumingMemoryBound(to: Float.self))
        case .float16: bytes.assumingMemoryBound(to: Float16.self).map(Float.init)
        }
      }
      return .binary(
        try BinaryBasis(layout: layout, values: [Float](values), bias: bias ?? [], storage: shape.storage))
    }
  }

  /// What codes further rows of a tier whose codes are responses of a trained layer, copied; `nil` where the file does
  /// not hold it.
  ///
  /// - Throws: `corruptFile` where it does not fit the tier; `invalidArgument` where there is no such tier.
  public func encoder(tier: Int = 0) throws(DPQError) -> ResponseEncoder? {
    guard case .concat(let layout) = try shape(ofTier: tier).layout,
      let name = dpq_table_metadata(handle, "tier.\(tier).encoder")
    else { return nil }
    let part = "tier.\(tier).encoder"
    var statistics: [Float]? = []
    if section("\(part).mean") != nil || section("\(part).variance") != nil {
      statistics = floats("\(part).mean", layout.codes).flatMap { mean in
        floats("\(part).variance", layout.codes).map { mean + $0 }
      }
    }
    guard assignment == .response, let response = ResponseEncoder.Response(rawValue: String(cString: name)),
      let keys = floats("\(part).keys", layout.codebookCount), let statistics,
      let encoder = try? ResponseEncoder(layout: layout, response: response, keys: keys, statistics: statistics)
    else { throw DPQError(.corruptFile, "what codes further rows is damaged", .init(file: path)) }
    return encoder
  }

  /// The `count` values of a tensor of floats; `nil` where it is missing or has another type or number of them.
  private func floats(_ name: String, _ count: Int) -> [Float]? {
    var section = Self.emptySection
    guard dpq_table_section_named(handle, name, &section) == DPQ_OK else { return nil }
    switch String(cString: section.type) {
    case "F32" where section.bytes == 4 * count:
      return [Float](UnsafeBufferPointer(start: section.data.assumingMemoryBound(to: Float.self), count: count))
    case "F16" where section.bytes == 2 * count:
      let halves = UnsafeBufferPointer(start: section.data.assumingMemoryBound(to: Float16.self), count: count)
      return halves.map(Float.init)
    default: return nil
    }
  }

  /// The packed codes of a tier, copied: `rows × layout.rowBytes` bytes, least significant bit first.
  public func codes(tier: Int = 0) -> [UInt8] { section("tier.\(tier).codes").map { [UInt8]($0) } ?? [] }

  /// The tier of each row, copied; `nil` where there is one tier.
  ///
  /// - Throws: `corruptFile` where a row is in a tier that there is not, or in one that has no place for it.
  public func map() throws(DPQError) -> TierMap? {
    guard tiers.count > 1, let packed = section("tier.map") else { return nil }
    let bits = TierMap.bits(tiers: tiers.count)
    let tierOfRow = (0..<rows).map { row in
      let place = row * bits
      var value = Int(packed[place / 8]) >> (place % 8)
      if place % 8 + bits > 8 { value |= Int(packed[place / 8 + 1]) << (8 - place % 8) }
      return value & (1 << bits - 1)
    }
    guard let map = try? TierMap(tierOfRow, tiers: tiers.count), map.counts == tiers.map(\.rows) else {
      throw DPQError(.corruptFile, "the tier map is damaged: run verify", .init(file: path))
    }
    return map
  }

  /// The shape of a tier.
  ///
  /// - Throws: `invalidArgument` where there is no such tier.
  func shape(ofTier tier: Int) throws(DPQError) -> TierShape {
    guard tiers.indices.contains(tier) else {
      throw DPQError(.invalidArgument, "there is no tier \(tier): the table has \(tiers.count)", .init(file: path))
    }
    return tiers[tier]
  }

  /// How often each code of a tier stands in each group: `[groups][codes]`; for a binary tier `[bits][2]`.
  ///
  /// - Throws: `outOfMemory` where there are more than 2²⁷ counts: a shared codebook lets a small file ask for any number.
  public func codeUse(tier: Int = 0) throws(DPQError) -> [[Int]] {
    let shape = try shape(ofTier: tier)
    // Bits are counted as groups of two codes; only their number and places matter.
    let (layout, rows) = (shape.layout, shape.rows)
    guard layout.groups <= (1 << 27) / layout.codes else {
      throw DPQError(
        .outOfMemory, "the use of \(layout.codes) codes in \(layout.groups) groups is too much to count",
        .init(file: path))
    }
    var use = [Int](repeating: 0, count: layout.groups * layout.codes)
    let codes = section("tier.\(tier).codes")?.baseAddress?.assumingMemoryBound(to: UInt8.self)
    let (groups, count, rowBytes) = (layout.groups, layout.codes, layout.rowBytes)
    let block = max(1, min(rows, 65_536 / groups))
    let elementBytes = dpq_code_bytes(count)
    let unpacked = try AlignedBuffer<UInt8>(count: block * groups * elementBytes)
    var kernelLayout = dpq_layout(dimension: groups, groups: groups, codes: count, shared: 1)
    for first in stride(from: 0, to: rows, by: block) {
      let length = min(block, rows - first)
      try DPQError.check(
        dpq_codes_unpack(&kernelLayout, codes.map { $0 + first * rowBytes }, length, 1, unpacked.pointer))
      use.withUnsafeMutableBufferPointer { use in
        let wide = UnsafeRawPointer(unpacked.pointer).assumingMemoryBound(to: UInt16.self)
        for row in 0..<length {
          for group in 0..<groups {
            let i = row * groups + group
            let code = elementBytes == 1 ? Int(unpacked.pointer[i]) : Int(wide[i])
            use[group * count + code] += 1
          }
        }
      }
    }
    return (0..<groups).map { Array(use[$0 * count..<($0 + 1) * count]) }
  }

  /// Quantised lengths of the rows, copied; `nil` unless ``metric`` is cosine.
  public func norms() -> CompressedModel.Norms? {
    guard let codebook = section("norm.codebook"), let codes = section("norm.codes") else { return nil }
    return CompressedModel.Norms(
      codebook: [Float](codebook.assumingMemoryBound(to: Float.self)), codes: [UInt8](codes))
  }
}
