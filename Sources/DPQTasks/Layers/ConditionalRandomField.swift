import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A linear-chain conditional random field (Lafferty, McCallum, Pereira 2001): the score of a tag sequence is the sum of
/// its emissions and of the transitions between neighbours, from a start and to an end.
///
/// All sums over sequences are in float64 and in log space.
public final class ConditionalRandomField {
  /// Number of tags.
  public let tags: Int
  /// Scores `[tags + 1 × tags + 1]`: row the tag before (the last row the start), column the tag after (the last column
  /// the end).
  public let transitions: Parameter

  /// A field of `tags` tags whose transitions all score 0.
  ///
  /// - Throws: `outOfMemory`.
  public init(name: String, tags: Int) throws(DPQError) {
    self.tags = tags
    transitions = try Parameter(name: name, value: Matrix(rows: tags + 1, columns: tags + 1))
  }

  /// −ln p(reference | emissions) of one sentence; adds its gradient by the emissions to `gradient` and that by the
  /// transitions to their own, both times `scale`.
  ///
  /// Rows `first..<first + reference.count` of `emissions` and `gradient`, `[· × tags]`, belong to the sentence.
  /// O(length · tags²).
  public func loss(
    emissions: Matrix, first: Int, reference: ArraySlice<Int32>, scale: Float, gradient: Matrix
  ) -> Double {
    let length = reference.count
    guard length > 0 else { return 0 }
    let reference = Array(reference)
    let forward = forwardScores(emissions, first, length)
    let backward = backwardScores(emissions, first, length)
    let end = tags
    let total = Self.logSum((0..<tags).map { forward[(length - 1) * tags + $0] + transition($0, end) })
    var score = 0.0
    for t in 0..<length {
      let tag = Int(reference[t])
      let before = t == 0 ? tags : Int(reference[t - 1])
      score += Double(emissions[first + t, tag]) + transition(before, tag)
      gradient[first + t, tag] -= scale
      transitions.gradient[before, tag] -= scale
      for j in 0..<tags {
        gradient[first + t, j] += scale * Float(exp(forward[t * tags + j] + backward[t * tags + j] - total))
      }
      guard t > 0 else { continue }
      for i in 0..<tags {
        let start = forward[(t - 1) * tags + i] - total
        for j in 0..<tags {
          let log = start + transition(i, j) + Double(emissions[first + t, j]) + backward[t * tags + j]
          transitions.gradient[i, j] += scale * Float(exp(log))
        }
      }
    }
    let last = Int(reference[length - 1])
    score += transition(last, end)
    transitions.gradient[last, end] -= scale
    for j in 0..<tags {
      transitions.gradient[tags, j] += scale * Float(exp(forward[j] + backward[j] - total))
      let final = forward[(length - 1) * tags + j] + transition(j, end) - total
      transitions.gradient[j, end] += scale * Float(exp(final))
    }
    return total - score
  }

  /// The best tags of one sentence (Viterbi), ties to the lowest tag. O(length · tags²).
  public func decode(emissions: Matrix, first: Int, length: Int) -> [Int32] {
    guard length > 0 else { return [] }
    var best = (0..<tags).map { transition(tags, $0) + Double(emissions[first, $0]) }
    var origins: [[Int32]] = []
    for t in 1..<max(length, 1) {
      var next = [Double](repeating: 0, count: tags)
      var origin = [Int32](repeating: 0, count: tags)
      for j in 0..<tags {
        var (score, from) = (-Double.infinity, 0)
        for i in 0..<tags where best[i] + transition(i, j) > score {
          (score, from) = (best[i] + transition(i, j), i)
        }
        next[j] = score + Double(emissions[first + t, j])
        origin[j] = Int32(from)
      }
      best = next
      origins.append(origin)
    }
    var (score, tag) = (-Double.infinity, 0)
    for i in 0..<tags where best[i] + transition(i, tags) > score { (score, tag) = (best[i] + transition(i, tags), i) }
    var path = [Int32(tag)]
    for origin in origins.reversed() {
      tag = Int(origin[tag])
      path.append(Int32(tag))
    }
    return path.reversed()
  }

  private func transition(_ before: Int, _ after: Int) -> Double { Double(transitions.value[before, after]) }

  /// ln of the sum over all beginnings that end in each tag, `[length × tags]`; emissions of the tag itself counted.
  private func forwardScores(_ emissions: Matrix, _ first: Int, _ length: Int) -> [Double] {
    var scores = [Double](repeating: 0, count: length * tags)
    var terms = [Double](repeating: 0, count: tags)
    for t in 0..<length {
      for j in 0..<tags {
        let emission = Double(emissions[first + t, j])
        if t == 0 {
          scores[j] = transition(tags, j) + emission
          continue
        }
        for i in 0..<tags { terms[i] = scores[(t - 1) * tags + i] + transition(i, j) }
        scores[t * tags + j] = Self.logSum(terms) + emission
      }
    }
    return scores
  }

  /// ln of the sum over all continuations after each tag, `[length × tags]`.
  private func backwardScores(_ emissions: Matrix, _ first: Int, _ length: Int) -> [Double] {
    var scores = [Double](repeating: 0, count: length * tags)
    var terms = [Double](repeating: 0, count: tags)
    for i in 0..<tags { scores[(length - 1) * tags + i] = transition(i, tags) }
    for t in stride(from: length - 2, through: 0, by: -1) {
      for i in 0..<tags {
        for j in 0..<tags {
          terms[j] = transition(i, j) + Double(emissions[first + t + 1, j]) + scores[(t + 1) * tags + j]
        }
        scores[t * tags + i] = Self.logSum(terms)
      }
    }
    return scores
  }

  private static func logSum(_ terms: [Double]) -> Double {
    let largest = terms.max() ?? -.infinity
    guard largest.isFinite else { return largest }
    return largest + log(terms.reduce(0) { $0 + exp($1 - largest) })
  }
}
