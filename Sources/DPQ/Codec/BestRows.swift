/// The `count` rows with the largest scores offered so far, best first; the lower id first among equals.
struct BestRows {
  let count: Int
  private(set) var rows: [(id: Int, score: Double)] = []

  init(count: Int) { self.count = count }

  /// What a later row must exceed to get in.
  var threshold: Double { rows.count < count ? -.infinity : rows[count - 1].score }

  mutating func offer(id: Int, score: Double) {
    if rows.count == count, count == 0 || score <= rows[count - 1].score { return }
    let place = rows.firstIndex { $0.score < score } ?? rows.count
    if rows.count == count { rows.removeLast() }
    rows.insert((id, score), at: place)
  }
}
