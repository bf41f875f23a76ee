/// The lines of a text file, pipe or standard input, one after another; gzip and zstd are undone.
///
/// Lines end with `\n` or `\r\n`, so text may hold other line separators.
package struct TextLines: ~Copyable {
  /// What was opened.
  package let path: String
  /// One-based number of the line that ``line`` is.
  package private(set) var number = 0
  private var input: InputFile
  /// Bytes of the line without its end, and with it.
  private var count = 0
  private var consumed = 0

  /// Opens `path`; `-` is standard input.
  ///
  /// - Throws: `inputNotFound`, `malformedInput` for a folder or damaged compression, `inputOutput`.
  package init(_ path: String) throws(DPQError) {
    do throws(DPQError) {
      input = try InputFile(path)
    } catch {
      throw error.inFile(path)
    }
    self.path = path
  }

  /// Goes to the next line; `false` behind the last one.
  ///
  /// - Throws: `malformedInput` for a line of more than 16 MiB or damaged compression, `inputOutput`.
  package mutating func next() throws(DPQError) -> Bool {
    do throws(DPQError) {
      if number > 0 { input.stream.skipLine(consumed) }
      guard let found = try input.stream.findLine() else {
        (count, consumed) = (0, 0)
        return false
      }
      number += 1
      consumed = found
      count = found > 0 && input.stream.window[found - 1] == 0x0D ? found - 1 : found
      return true
    } catch {
      var error = error.inFile(path)
      if error.context.line == nil { error.context.line = number + 1 }
      throw error
    }
  }

  /// The bytes of the line.
  package var line: Span<UInt8> {
    @_lifetime(borrow self)
    get { input.stream.window.extracting(0..<count) }
  }

  /// An error in this line.
  package func malformed(_ message: String) -> DPQError {
    DPQError(.malformedInput, message, .init(file: path, line: number))
  }
}
