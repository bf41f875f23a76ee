#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// One axis of a chart: the range it shows, where values fall on it and where its ticks stand.
struct ChartAxis {
  let isLogarithmic: Bool
  /// Least and greatest value shown.
  let low: Double
  let high: Double
  /// Values with a tick, ascending, within the range.
  let ticks: [Double]

  /// An axis that shows all of `values`; those that are not finite (or with a logarithmic axis not above 0) are ignored.
  init(showing values: [Double], isLogarithmic: Bool = false, padding: Double = 0) {
    self.isLogarithmic = isLogarithmic
    let usable = values.filter { $0.isFinite && (!isLogarithmic || $0 > 0) }
    let scaled = usable.map { isLogarithmic ? log($0) : $0 }
    var low = scaled.min() ?? 0
    var high = scaled.max() ?? 1
    if high - low <= 1e-12 * max(abs(low), abs(high)) {
      let margin = low == 0 ? 1 : isLogarithmic ? 0.1 : 0.1 * abs(low)
      low -= margin
      high += margin
    }
    let margin = padding * (high - low)
    low -= margin
    high += margin
    self.low = isLogarithmic ? exp(low) : low
    self.high = isLogarithmic ? exp(high) : high
    ticks = isLogarithmic ? Self.logarithmicTicks(self.low, self.high) : Self.linearTicks(low, high)
  }

  /// Where `value` falls: 0 at the low end, 1 at the high end; `nil` where it cannot be shown.
  func position(_ value: Double) -> Double? {
    guard value.isFinite, !isLogarithmic || value > 0 else { return nil }
    return isLogarithmic ? log(value / low) / log(high / low) : (value - low) / (high - low)
  }

  /// The text of a tick, with as many digits as tell it from its neighbours.
  func label(_ tick: Double) -> String {
    let size = max(abs(low), abs(high))
    if !isLogarithmic, size >= 1e15 || size < 1e-6 { return Format.significant(tick, 3) }
    let step = zip(ticks, ticks.dropFirst()).map { $1 - $0 }.min() ?? abs(tick)
    let digits = max(0, Int((-log10(max(step, 1e-12)) - 1e-6).rounded(.up)))
    let text = Format.fixed(tick, digits)
    guard let point = text.firstIndex(of: ".") else { return Self.grouped(text) }
    return Self.grouped(String(text[..<point])) + text[point...]
  }

  private static func grouped(_ digits: String) -> String {
    guard digits.count > 4, let number = Int(digits) else { return digits }
    return Format.grouped(number)
  }

  private static func linearTicks(_ low: Double, _ high: Double) -> [Double] {
    let step = niceStep((high - low) / 5)
    let first = (low / step - 1e-9).rounded(.up)
    let last = (high / step + 1e-9).rounded(.down)
    guard first <= last, last - first < 50 else { return [] }
    return stride(from: first, through: last, by: 1).map { $0 * step }
  }

  /// 1, 2 or 5 times a power of ten, near `step`.
  private static func niceStep(_ step: Double) -> Double {
    let power = pow(10, log10(step).rounded(.down))
    let lead = step / power
    return power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10)
  }

  private static func logarithmicTicks(_ low: Double, _ high: Double) -> [Double] {
    // Less than a decade reads best with even steps.
    guard high / low > 10 else { return linearTicks(low, high) }
    let leads: [Double] = high / low > 1000 ? [1] : [1, 2, 5]
    let decades = log10(low).rounded(.down)...log10(high).rounded(.up)
    var ticks: [Double] = []
    for decade in stride(from: decades.lowerBound, through: decades.upperBound, by: 1) {
      ticks += leads.map { $0 * pow(10, decade) }.filter { $0 >= low * 0.999999 && $0 <= high * 1.000001 }
    }
    return ticks
  }
}
