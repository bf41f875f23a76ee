/// The JSON kept in a file about how it was made: all that decides its bytes, and nothing else (no paths, times or
/// thread counts), so that equal inputs give equal files.
struct Recipe {
  /// Version of the algorithms; it changes when the same options would give other bytes.
  static let version = "0.1.0"

  private var fields: [(String, String)] = [("version", "\"\(version)\"")]

  /// The recipe of compressing with `options` to one of `layouts`, or where rows choose to all of them; `sample` is the
  /// number of rows trained on where not all.
  init(_ options: CompressionOptions, layouts: [TierLayout], sample: Int?) {
    add("method", text: options.method.rawValue)
    if [.vq, .sx].contains(options.method) { add("start", text: options.start.rawValue) }
    switch options.goal {
    case .layout: break
    case .fileBytes(let bytes): add("target_bytes", "\(bytes)")
    case .ratio(let ratio): add("target_ratio", "\(ratio)")
    case .bitsPerDimension(let bits): add("target_bits_per_dimension", "\(bits)")
    }
    if let adaptive = options.adaptive {
      add("target_bits", "\(adaptive.targetBits)")
      let tiers = layouts.map { $0.concat.map { "\"\($0.groups)x\($0.codes)\"" } ?? "\"\($0.bitsPerRow)\"" }
      add("tiers", "[" + tiers.joined(separator: ",") + "]")
    } else if let layout = layouts[0].concat {
      add("groups", "\(layout.groups)")
      add("codes", "\(layout.codes)")
      add("shared", "\(layout.isShared)")
    } else {
      add("bits", "\(layouts[0].bitsPerRow)")
    }
    add("metric", text: options.metric.rawValue)
    add("codebook", text: options.codebookStorage.rawValue)
    add("epochs", "\(options.epochs ?? Compressor.defaultEpochs(options.method))")
    if let sample { add("sample", "\(sample)") }
    if let weights = options.weights { add("weights", text: FileShape.hexadecimal(Kernels.checksum(weights))) }
    add("seed", "\(options.seed)")
  }

  /// The recipe as one JSON object without spaces.
  var json: String { "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}" }

  private mutating func add(_ name: String, _ value: String) { fields.append((name, value)) }
  private mutating func add(_ name: String, text: String) { add(name, "\"\(text)\"") }
}
