/// Quantises the lengths of rows to one byte each: Lloyd's algorithm on a line.
enum NormQuantizer {
  /// 256 ascending lengths, the first of them 0 so that rows of zeros come back exactly, and the nearest for each row.
  static func quantize(_ norms: [Float]) -> CompressedModel.Norms {
    let sorted = norms.filter { $0 > 0 }.sorted()
    let count = FileShape.normCodes - 1
    var sums = [0.0]
    for norm in sorted { sums.append(sums[sums.count - 1] + Double(norm)) }
    // Quantiles to start from, then each entry moves to the mean of the stretch nearest to it.
    var entries = (0..<count).map { i in
      sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, (2 * i + 1) * sorted.count / (2 * count))]
    }
    for _ in 0..<50 where !sorted.isEmpty {
      var moved = false
      var start = 0
      for i in 0..<count {
        let end = i + 1 < count ? Self.end(sorted, from: start, entries[i], entries[i + 1]) : sorted.count
        if end > start {
          let mean = Float((sums[end] - sums[start]) / Double(end - start))
          if mean != entries[i] { moved = true }
          entries[i] = mean
        }
        start = end
      }
      if !moved { break }
    }
    let codebook = [0] + entries.sorted()
    return CompressedModel.Norms(codebook: codebook, codes: norms.map { code($0, codebook) })
  }

  /// The nearest entry of an ascending codebook; only a length of 0 gets an entry of 0. Ties go to the lowest.
  static func code(_ norm: Float, _ codebook: [Float]) -> UInt8 {
    var low = 0
    var high = codebook.count
    while low < high {
      let middle = (low + high) / 2
      if codebook[middle] < norm { low = middle + 1 } else { high = middle }
    }
    if low == codebook.count { low -= 1 }
    if low > 0, codebook[low - 1] > 0 || norm == 0, norm - codebook[low - 1] <= codebook[low] - norm { low -= 1 }
    while low > 0, codebook[low - 1] == codebook[low] { low -= 1 }
    return UInt8(low)
  }

  /// The first of `sorted[start...]` that is nearer to `b` than to `a`.
  private static func end(_ sorted: [Float], from start: Int, _ a: Float, _ b: Float) -> Int {
    let limit = (Double(a) + Double(b)) / 2
    var low = start
    var high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if Double(sorted[middle]) <= limit { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
