/// Everything that can go wrong in this library: what happened, where, and what to do about it.
///
/// The command line prints ``description`` as its one line of error and turns ``code`` into its exit status.
public struct DPQError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kind of failure; the stable part a program branches on.
  public enum Code: Sendable, Equatable {
    /// An argument outside its documented range (a layout that does not fit, a target that cannot be met).
    case invalidArgument
    /// The input file or tensor does not exist.
    case inputNotFound
    /// The input is not in any format known here, or breaks the rules of its format.
    case malformedInput
    /// The input ends before its own header says it should.
    case truncatedInput
    /// A value is NaN or infinite.
    case nonFiniteValue
    /// A word stands in the vocabulary twice.
    case duplicateWord
    /// A word is not in the vocabulary, or a row id is outside the table.
    case unknownRow
    /// The file is a compressed table, but damaged.
    case corruptFile
    /// The file is a compressed table of a version or with a feature this library does not know.
    case unsupportedVersion
    /// Contents do not match their checksum.
    case checksumMismatch
    /// The output exists and may not be replaced, or its folder cannot be written.
    case cannotCreateOutput
    /// The operating system could not read or write.
    case inputOutput
    /// Memory ran out.
    case outOfMemory
    /// The caller asked to stop.
    case cancelled
  }

  /// Where it happened; every part is optional.
  public struct Context: Sendable, Equatable {
    /// Path of the file, or `-` for standard input.
    public var file: String?
    /// Zero-based row of the table.
    public var row: Int?
    /// One-based line of a text file.
    public var line: Int?
    /// Byte offset in the file.
    public var byte: Int?
    /// Makes a context from the parts that are known.
    public init(file: String? = nil, row: Int? = nil, line: Int? = nil, byte: Int? = nil) {
      self.file = file
      self.row = row
      self.line = line
      self.byte = byte
    }
  }

  /// The kind of failure.
  public var code: Code
  /// What happened and what to do, in one line without a final full stop.
  public var message: String
  /// Where it happened.
  public var context: Context

  /// Makes an error from its parts.
  public init(_ code: Code, _ message: String, _ context: Context = Context()) {
    self.code = code
    self.message = message
    self.context = context
  }

  /// `file, line 3, row 7: message`.
  public var description: String {
    var place: [String] = []
    if let file = context.file { place.append(file == "-" ? "standard input" : file) }
    if let line = context.line { place.append("line \(line)") }
    if let row = context.row { place.append("row \(row)") }
    if let byte = context.byte { place.append("byte \(byte)") }
    return place.isEmpty ? message : place.joined(separator: ", ") + ": " + message
  }

  /// The same error with the file filled in where it was not known.
  func inFile(_ path: String) -> DPQError {
    var error = self
    if error.context.file == nil { error.context.file = path }
    return error
  }
}
