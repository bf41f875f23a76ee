import DPQ

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the process tells its caller; the numbers follow `sysexits.h` and are part of the command's contract.
enum ExitStatus: Int32 {
  case done = 0
  case failure = 1
  /// `eval` measured more error than it was allowed to.
  case gateMissed = 2
  case usage = 64
  /// Bad input data, or a word or row that is not in the table.
  case badData = 65
  case noInput = 66
  case cannotCreate = 73
  case inputOutput = 74
  case interrupted = 130

  /// The status that stands for a kind of error.
  init(_ code: DPQError.Code) {
    self =
      switch code {
      case .invalidArgument: .usage
      case .inputNotFound: .noInput
      case .malformedInput, .truncatedInput, .nonFiniteValue, .duplicateWord, .unknownRow, .corruptFile,
        .unsupportedVersion, .checksumMismatch:
        .badData
      case .cannotCreateOutput: .cannotCreate
      case .inputOutput: .inputOutput
      case .cancelled: .interrupted
      case .outOfMemory: .failure
      }
  }
}

/// Thrown where a result is worse than the user allows.
struct GateMissed: Error {
  let message: String
}

/// Ends the process.
func exitProcess(_ status: ExitStatus) -> Never { exit(status.rawValue) }
