import ArgumentParser
import DPQTasks

/// A number of bytes as people write it: `25MB` (10⁶ bytes each), `1.5GB`, `512KiB`, `4096`.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  private static let units: [(suffix: String, factor: Double)] = [
    ("kib", 1024), ("mib", 1_048_576), ("gib", 1_073_741_824), ("tib", 1_099_511_627_776),
    ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12),
    ("k", 1e3), ("m", 1e6), ("g", 1e9), ("t", 1e12), ("b", 1),
  ]

  init?(argument: String) {
    let text = argument.lowercased()
    let unit = Self.units.first { text.hasSuffix($0.suffix) }
    var digits = text.dropLast(unit?.suffix.count ?? 0)
    while digits.last == " " { digits.removeLast() }
    guard let first = digits.first, first.isASCII, first.isNumber, digits.allSatisfy({ $0.isNumber || $0 == "." }),
      let number = Double(digits)
    else { return nil }
    let bytes = (number * (unit?.factor ?? 1)).rounded(.down)
    guard bytes >= 1, bytes < 9e18 else { return nil }
    self.bytes = Int(bytes)
  }

  /// `1.2 MB`, `812 kB`, `96 bytes`: units of 1000.
  static func text(_ bytes: Int) -> String {
    let value = Double(bytes)
    for (suffix, factor) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] where value >= factor {
      return Format.significant(value / factor, 3) + " " + suffix
    }
    return "\(bytes) bytes"
  }
}
