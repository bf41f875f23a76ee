/// A field of coloured cells: how often each code is used in each group.
package struct HeatMap {
  /// The headline.
  package var title: String
  /// What columns and rows are.
  package var xLabel: String
  /// What columns and rows are.
  package var yLabel: String
  /// What the colours stand for.
  package var valueLabel: String
  /// One array a row, from the top down, all of one length; not negative.
  package var values: [[Double]]

  /// Makes a map.
  package init(title: String, xLabel: String, yLabel: String, valueLabel: String, values: [[Double]]) {
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.valueLabel = valueLabel
    self.values = values
  }

  /// Shades told apart.
  private static let levels = 64
  /// More cells than pixels are joined, so that the file of a large table stays small.
  private static let mostCells = 256

  /// The map as an SVG file.
  package var svg: String {
    let (cells, perRow, perColumn) = joined()
    let (rows, columns) = (cells.count, cells.first?.count ?? 0)
    let (left, top) = (72.0, 52.0)
    let (fieldWidth, fieldHeight) = (540.0, min(420, max(140, 14 * Double(rows))))
    let (right, bottom) = (left + fieldWidth, top + fieldHeight)
    let greatest = cells.reduce(0) { max($0, $1.max() ?? 0) }
    var picture = SVG(width: right + 108, height: bottom + 60)
    picture.text(title, left, 28, style: "title")

    // One path a shade, neighbours of one shade as one box.
    var paths = [String](repeating: "", count: Self.levels)
    let (cellWidth, cellHeight) = (fieldWidth / Double(max(columns, 1)), fieldHeight / Double(max(rows, 1)))
    for (row, line) in cells.enumerated() {
      var column = 0
      while column < columns {
        let level = Self.level(line[column], greatest)
        var end = column + 1
        while end < columns, Self.level(line[end], greatest) == level { end += 1 }
        let (x, y) = (left + Double(column) * cellWidth, top + Double(row) * cellHeight)
        let width = SVG.number(Double(end - column) * cellWidth)
        paths[level] += "M\(SVG.number(x)) \(SVG.number(y))h\(width)v\(SVG.number(cellHeight))h-\(width)z"
        column = end
      }
    }
    for (level, path) in paths.enumerated() where !path.isEmpty {
      picture.boxes(path, fill: Self.colour(Double(level) / Double(Self.levels - 1)))
    }
    picture.frame(left, top, fieldWidth, fieldHeight)

    for row in Self.marked(of: rows) {
      picture.text("\(row * perRow)", left - 8, top + (Double(row) + 0.5) * cellHeight + 4, .end, style: "small")
    }
    for column in Self.marked(of: columns) {
      let x = left + (Double(column) + 0.5) * cellWidth
      picture.text("\(column * perColumn)", x, bottom + 16, .middle, style: "small")
    }
    picture.text(xLabel, (left + right) / 2, bottom + 42, .middle)
    picture.text(yLabel, 20, (top + bottom) / 2, .middle, turned: true)
    addScale(to: &picture, x: right + 24, top: top, height: min(fieldHeight, 220), greatest: greatest)
    return picture.document(title: title)
  }

  private func addScale(to picture: inout SVG, x: Double, top: Double, height: Double, greatest: Double) {
    let step = height / Double(Self.levels)
    for level in 0..<Self.levels {
      let share = Double(level) / Double(Self.levels - 1)
      picture.rectangle(x, top + height - Double(level + 1) * step, 14, step + 0.5, fill: Self.colour(share))
    }
    for share in [0, 0.5, 1] {
      let value = Format.significant(share * greatest, 3)
      picture.text(value, x + 20, top + height - share * height + (share == 1 ? 9 : 4), style: "small")
    }
    picture.text(valueLabel, x + 70, top + height / 2, .middle, style: "small", turned: true)
  }

  /// The values with so many rows and columns joined into one (their mean) that few enough are left.
  private func joined() -> (cells: [[Double]], perRow: Int, perColumn: Int) {
    let columns = values.first?.count ?? 0
    let perRow = max(1, (values.count + Self.mostCells - 1) / Self.mostCells)
    let perColumn = max(1, (columns + Self.mostCells - 1) / Self.mostCells)
    guard perRow > 1 || perColumn > 1 else { return (values, 1, 1) }
    let cells = stride(from: 0, to: values.count, by: perRow).map { row in
      stride(from: 0, to: columns, by: perColumn).map { column in
        var sum = 0.0
        let (lastRow, lastColumn) = (min(row + perRow, values.count), min(column + perColumn, columns))
        for line in values[row..<lastRow] { sum += line[column..<lastColumn].reduce(0, +) }
        return sum / Double((lastRow - row) * (lastColumn - column))
      }
    }
    return (cells, perRow, perColumn)
  }

  private static func level(_ value: Double, _ greatest: Double) -> Int {
    guard greatest > 0, value > 0 else { return 0 }
    return min(levels - 1, Int(value / greatest * Double(levels - 1) + 0.5))
  }

  /// About ten numbers of 0..<count at even distances.
  private static func marked(of count: Int) -> [Int] {
    let steps = [1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50]
    return Array(stride(from: 0, to: count, by: steps.first { count <= 12 * $0 } ?? 64))
  }

  /// Dark blue by way of teal to yellow: lightness grows with the value (after viridis, Smith and van der Walt 2015).
  private static func colour(_ share: Double) -> String {
    let stops: [(Double, Double, Double)] = [
      (68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37),
    ]
    let place = min(max(share, 0), 1) * Double(stops.count - 1)
    let index = min(Int(place), stops.count - 2)
    let (a, b, part) = (stops[index], stops[index + 1], place - Double(index))
    func hexadecimal(_ x: Double, _ y: Double) -> String {
      let digits = String(Int((x + part * (y - x)).rounded()), radix: 16)
      return Format.pad(digits, 2, with: "0", left: true)
    }
    return "#" + hexadecimal(a.0, b.0) + hexadecimal(a.1, b.1) + hexadecimal(a.2, b.2)
  }
}
