import DPQ
import DPQTasks

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One line at the bottom of a terminal that is redrawn as work proceeds; nothing where standard error is no terminal.
struct ProgressBar: ~Copyable {
  private let isShown: Bool
  private let isColoured: Bool
  private let start = Runtime.clock
  private var lastDrawn = -1.0
  private var isDrawn = false

  /// - Parameter quiet: never draw.
  init(quiet: Bool) {
    isShown = !quiet && StandardError.isTerminal && getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? false
    isColoured = getenv("NO_COLOR").map { $0.pointee == 0 } ?? true
  }

  deinit { clear() }

  /// Empties the line, for others to write.
  func clear() { if isDrawn { StandardError.write("\r\u{1B}[K") } }

  /// Shows `fraction` (0…1) of the work behind a `label`, with `details` and the time left; at most ten times a second.
  mutating func update(_ label: String, fraction: Double, details: String = "") {
    guard isShown else { return }
    let now = Runtime.clock
    guard now - lastDrawn >= 0.1 || fraction >= 1 else { return }
    lastDrawn = now
    isDrawn = true
    StandardError.write("\r" + line(label, fraction, details, elapsed: now - start) + "\u{1B}[K")
  }

  private func line(_ label: String, _ fraction: Double, _ details: String, elapsed: Double) -> String {
    let share = min(max(fraction, 0), 1)
    var parts = [Format.pad(label, 7)]
    var tail = Format.pad(Format.fixed(100 * share, 0), 3, left: true) + " %"
    if !details.isEmpty { tail += "  " + details }
    if share > 0.02, share < 1 { tail += "  " + Format.clock(elapsed / share * (1 - share)) + " left" }
    let room = StandardError.columns - 1
    let width = min(30, room - parts[0].count - tail.count - 4)
    if width >= 5 {
      let full = Int((Double(width) * share).rounded())
      let bar = String(repeating: "#", count: full)
      let rest = String(repeating: ".", count: width - full)
      parts.append("[" + (isColoured ? "\u{1B}[32m\(bar)\u{1B}[0m" : bar) + rest + "]")
      parts.append(tail)
      return parts.joined(separator: " ")
    }
    return String((parts[0] + " " + tail).prefix(max(room, 0)))
  }
}
