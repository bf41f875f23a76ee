/// A file format for plain tables. The raw value is the name users type and messages print.
public enum TableFormat: String, Sendable, CaseIterable {
  /// NumPy's array file, one array of two axes (numpy.lib.format, versions 1.0 to 3.0).
  case npy
  /// NumPy's zip of `.npy` files.
  case npz
  /// Hugging Face's `safetensors`.
  case safetensors
  /// word2vec text: a line `rows dimension`, then a word and its numbers a line.
  case word2vecText = "word2vec-text"
  /// word2vec binary: a line `rows dimension`, then each word, a space and its float32 values.
  case word2vecBinary = "word2vec-binary"
  /// GloVe text: as word2vec text without the first line; words may hold spaces.
  case glove
  /// fastText's `.vec`, the same bytes as ``word2vecText``.
  case fastTextVec = "fasttext-vec"
  /// fastText's `.bin` model: the composed vector of each vocabulary word.
  case fastTextBin = "fasttext-bin"
  /// Two uint32, rows and dimension, then float32 rows (the "big ANN" benchmarks).
  case fbin
  /// Each row as an int32 dimension and its float32 values (the TEXMEX data sets).
  case fvecs

  /// The format that the extension of an output path stands for: `.npy`, `.safetensors`, `.txt` and `.vec` (word2vec
  /// text), `.bin` (word2vec binary), `.fbin`, `.fvecs`; `nil` for any other.
  public init?(writingTo path: String) {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: ".") else { return nil }
    switch name[dot...].lowercased() {
    case ".npy": self = .npy
    case ".safetensors": self = .safetensors
    case ".txt", ".vec": self = .word2vecText
    case ".bin": self = .word2vecBinary
    case ".fbin": self = .fbin
    case ".fvecs": self = .fvecs
    default: return nil
    }
  }

  /// Whether a file of this format keeps the words of the rows.
  public var holdsWords: Bool {
    switch self {
    case .word2vecText, .word2vecBinary, .glove, .fastTextVec, .fastTextBin: true
    case .npy, .npz, .safetensors, .fbin, .fvecs: false
    }
  }

  /// Whether ``TableWriter`` can write it.
  public var isWritable: Bool { self != .npz && self != .fastTextBin }
}
