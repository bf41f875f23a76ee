import DPQ
import DPQTasks

extension TierLayout {
  /// The layout in words: `50 groups of 6 values x 256 codes`, `64 bits`.
  var text: String {
    switch self {
    case .concat(let layout):
      "\(layout.groups) groups of \(layout.width) values x \(layout.codes) codes"
        + (layout.isShared ? ", one shared codebook" : "")
    case .binary(let layout): "\(layout.bits) bits, each a vector added or not"
    }
  }

  /// What a tier is, as members of a JSON object.
  var members: [(String, JSON)] {
    let layout = concat
    return [
      ("kind", .string(kind)), ("groups", .integer(groups)), ("codes", .integer(codes)),
      ("bits", .integer(bitsPerRow / groups)), ("width", .integer(layout?.width ?? dimension)),
      ("shared", .bool(layout?.isShared ?? false)),
    ]
  }
}
