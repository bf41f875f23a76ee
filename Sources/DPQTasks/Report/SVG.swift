/// A picture in the making: elements one after another, and a style that follows the reader's light or dark theme.
struct SVG {
  let width: Double
  let height: Double
  private var body = ""

  /// Colours of series, told apart on light and dark ground and by most colour-blind readers (after Okabe and Ito).
  static let palette = ["#3b82c4", "#e08a1e", "#2a9d6f", "#d1495b", "#8e6bbf", "#a0785a", "#5aa9c9", "#8a8f3c"]

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// Where text is anchored.
  enum Anchor: String { case start, middle, end }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) {
    body += "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" class=\"\(style)\"/>\n"
  }

  mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, fill: String) {
    body +=
      "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" fill=\"\(fill)\" "
      + "shape-rendering=\"crispEdges\"/>\n"
  }

  mutating func frame(_ x: Double, _ y: Double, _ width: Double, _ height: Double) {
    body += "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" class=\"axis\"/>\n"
  }

  mutating func circle(_ x: Double, _ y: Double, radius: Double, fill: String) {
    body += "<circle cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"\(n(radius))\" fill=\"\(fill)\"/>\n"
  }

  /// Points joined by a line.
  mutating func polyline(_ points: [(x: Double, y: Double)], stroke: String) {
    let text = points.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
    body +=
      "<polyline points=\"\(text)\" fill=\"none\" stroke=\"\(stroke)\" stroke-width=\"1.8\" "
      + "stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n"
  }

  /// A path with hard edges, of many small boxes.
  mutating func boxes(_ path: String, fill: String) {
    body += "<path d=\"\(path)\" fill=\"\(fill)\" shape-rendering=\"crispEdges\"/>\n"
  }

  mutating func text(
    _ text: String, _ x: Double, _ y: Double, _ anchor: Anchor = .start, style: String = "label", turned: Bool = false
  ) {
    let turn = turned ? " transform=\"rotate(-90 \(n(x)) \(n(y)))\"" : ""
    body +=
      "<text x=\"\(n(x))\" y=\"\(n(y))\" text-anchor=\"\(anchor.rawValue)\" class=\"\(style)\"\(turn)>"
      + Self.escaped(text) + "</text>\n"
  }

  /// The whole file; `title` is what screen readers read.
  func document(title: String) -> String {
    """
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(n(width)) \(n(height))" width="\(n(width))" \
    height="\(n(height))" role="img" font-family="system-ui, 'Helvetica Neue', Arial, sans-serif">
    <title>\(Self.escaped(title))</title>
    <style>
    .ground { fill: #ffffff } .title { font-size: 15px; font-weight: 600; fill: #1f2430 }
    .label { font-size: 12px; fill: #4a5160 } .small { font-size: 11px; fill: #4a5160 }
    .axis { fill: none; stroke: #9aa1ad; stroke-width: 1 } .grid { stroke: #e3e6eb; stroke-width: 1 }
    .mark { stroke: #9aa1ad; stroke-width: 1; stroke-dasharray: 4 4 }
    @media (prefers-color-scheme: dark) {
    .ground { fill: #16181d } .title { fill: #eceef2 } .label, .small { fill: #b4bac6 }
    .axis, .mark { stroke: #6b7280 } .grid { stroke: #2b2f38 }
    }
    </style>
    <rect width="\(n(width))" height="\(n(height))" class="ground"/>
    \(body)</svg>

    """
  }

  /// `text` with what XML reserves escaped and what it forbids left out.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A coordinate, to a hundredth of a pixel.
  private func n(_ value: Double) -> String { Self.number(value) }

  /// A coordinate, to a hundredth of a pixel, without idle zeros.
  static func number(_ value: Double) -> String {
    var text = Format.fixed(value, 2)
    guard text.contains(".") else { return text }
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
