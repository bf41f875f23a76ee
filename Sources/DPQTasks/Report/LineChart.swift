/// A chart of one or more series over a common axis: loss curves, shares over time, a metric over ratios.
package struct LineChart {
  /// One line of the chart.
  package struct Series {
    /// What the legend calls it.
    package var name: String
    /// Where the line goes; points that are not finite are left out.
    package var points: [(x: Double, y: Double)]
    /// Whether each point gets a dot.
    package var hasDots: Bool

    /// Makes a series.
    package init(_ name: String, _ points: [(x: Double, y: Double)], hasDots: Bool = false) {
      self.name = name
      self.points = points
      self.hasDots = hasDots
    }
  }

  /// The headline.
  package var title: String
  /// What the axes show, with their units.
  package var xLabel: String
  /// What the axes show, with their units.
  package var yLabel: String
  /// The lines.
  package var series: [Series]
  /// Whether x grows by factors.
  package var isXLogarithmic = false
  /// Whether y grows by factors.
  package var isYLogarithmic = false
  /// Where a dashed vertical line stands, and what it means.
  package var mark: (x: Double, name: String)?

  /// Makes a chart.
  package init(title: String, xLabel: String, yLabel: String, series: [Series]) {
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.series = series
  }

  /// The chart as an SVG file.
  package var svg: String {
    let (width, height) = (720.0, 420.0)
    let (left, right, top, bottom) = (72.0, width - 24, 78.0, height - 56)
    let xAxis = ChartAxis(
      showing: series.flatMap { $0.points.map(\.x) } + (mark.map { [$0.x] } ?? []), isLogarithmic: isXLogarithmic)
    let yAxis = ChartAxis(
      showing: series.flatMap { $0.points.map(\.y) }, isLogarithmic: isYLogarithmic, padding: 0.05)
    func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double)? {
      guard let x = xAxis.position(point.x), let y = yAxis.position(point.y) else { return nil }
      return (left + x * (right - left), bottom - y * (bottom - top))
    }

    var picture = SVG(width: width, height: height)
    picture.text(title, left, 28, style: "title")
    for tick in yAxis.ticks {
      guard let y = yAxis.position(tick).map({ bottom - $0 * (bottom - top) }) else { continue }
      picture.line(left, y, right, y, style: "grid")
      picture.text(yAxis.label(tick), left - 8, y + 4, .end)
    }
    for tick in xAxis.ticks {
      guard let x = xAxis.position(tick).map({ left + $0 * (right - left) }) else { continue }
      picture.line(x, top, x, bottom, style: "grid")
      picture.text(xAxis.label(tick), x, bottom + 18, .middle)
    }
    if let mark, let x = xAxis.position(mark.x).map({ left + $0 * (right - left) }) {
      picture.line(x, top, x, bottom, style: "mark")
      let isLate = x > (left + right) / 2
      picture.text(mark.name, x + (isLate ? -6 : 6), top + 14, isLate ? .end : .start, style: "small")
    }
    picture.frame(left, top, right - left, bottom - top)
    picture.text(xLabel, (left + right) / 2, bottom + 42, .middle)
    picture.text(yLabel, 20, (top + bottom) / 2, .middle, turned: true)

    var legend = left
    for (index, line) in series.enumerated() {
      let colour = SVG.palette[index % SVG.palette.count]
      let points = line.points.compactMap(place)
      if points.count > 1 { picture.polyline(points, stroke: colour) }
      if line.hasDots || points.count == 1 {
        for point in points { picture.circle(point.x, point.y, radius: 3, fill: colour) }
      }
      picture.rectangle(legend, 48, 16, 4, fill: colour)
      picture.text(line.name, legend + 22, 54)
      legend += 22 + 7 * Double(line.name.count) + 20
    }
    return picture.document(title: title)
  }
}
