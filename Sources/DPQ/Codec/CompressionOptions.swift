/// What to make of a table: method, size, metric, effort.
///
/// The defaults give `kmeans` with 256 codes and groups of about four values.
public struct CompressionOptions: Sendable {
  /// How codebooks are learned.
  public enum Method: String, Sendable, CaseIterable {
    /// Product quantization: Lloyd's algorithm in each group.
    case kmeans
    /// The DPQ layer with tied keys and values, trained to reconstruct (Chen, Li, Sun 2020, section 2.3).
    case vq
    /// The DPQ layer with its softmax straight-through estimator, trained to reconstruct (section 2.2).
    case sx
    /// Binary auto-encoder: a row is a sum of vectors, one bit each (after AdaComp: Kim, Kim, Lee 2020).
    case binary
  }

  /// What `vq` and `sx` start from.
  public enum Start: String, Sendable, CaseIterable {
    /// The codebooks `kmeans` finds; the result is never worse than them.
    case kmeans
    /// Random rows of the table.
    case scratch
  }

  /// What decides the layout where ``groups`` and ``codes`` do not.
  public enum Goal: Sendable, Equatable {
    /// The layout given, or the default one.
    case layout
    /// The whole file, vocabulary included, has at most so many bytes.
    case fileBytes(Int)
    /// 4 · rows · dimension divided by the file without its vocabulary is at least this.
    case ratio(Double)
    /// The file without its vocabulary has at most so many bits for each value of the table.
    case bitsPerDimension(Double)
  }

  /// How codebooks are learned.
  public var method: Method = .kmeans
  /// What `vq` and `sx` start from.
  public var start: Start = .kmeans
  /// What decides the layout.
  public var goal: Goal = .layout
  /// Groups of a row, or `nil` to choose.
  public var groups: Int?
  /// Codewords of a group, or `nil` to choose.
  public var codes: Int?
  /// Bits of a row for `binary`.
  public var bits: Int?
  /// Several lengths of codes, each row with its own; `nil` for one.
  public var adaptive: AdaptiveOptions?
  /// Whether one codebook serves all groups.
  public var isShared = false
  /// Whether rows are compared by distance or by angle.
  public var metric: Metric = .l2
  /// One factor a row, ≥ 0, that its error counts with; `nil` for equal rows.
  public var weights: [Float]?
  /// The type codewords are stored in.
  public var codebookStorage: Codebook.Storage = .float32
  /// Passes over the training rows, or `nil` for the method's default (``Compressor/defaultEpochs(_:)``). The first third of
  /// those of k-means go over every fourth row, where that leaves 64 rows a codeword.
  public var epochs: Int?
  /// Rows to train on, drawn evenly over the table; `nil` for all.
  public var sample: Int?
  /// Bytes of memory to use beside the table itself; training rows are sampled to keep within it. `nil` for no limit.
  public var memoryBytes: Int?
  /// Seed of every random choice; equal seeds give equal files at any thread count.
  public var seed: UInt64 = 1
  /// Threads to use; 0 for all processors.
  public var threads = 0

  /// Makes the default options.
  public init() {}
}
