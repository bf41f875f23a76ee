import ArgumentParser
import DPQ
import DPQTasks

/// The `dpq` command.
@main
struct DPQCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dpq",
    abstract: "Compress embedding tables and look rows up from the compressed file.",
    discussion: """
      Tables come as .npy, .npz, safetensors, word2vec text or binary, GloVe text, fastText .vec or .bin, .fbin or \
      .fvecs, told apart by content; text ones also gzip or zstd compressed; "-" is standard input.

      Data goes to standard output, progress and notes to standard error. Exit status: 0 done; 1 failure; 2 quality \
      gate missed; 64 usage; 65 bad input data or unknown word; 66 no such input; 73 cannot create output; \
      74 input/output error; 130 interrupted.
      """,
    version: "0.1.0",
    subcommands: [
      CompressCommand.self, EncodeCommand.self, DecodeCommand.self, GetCommand.self, NeighborsCommand.self,
      EvalCommand.self, InspectCommand.self, VerifyCommand.self, ConvertCommand.self,
      TrainCommand.self, BenchCommand.self,
    ])

  static func main() {
    Signals.install()
    Runtime.prepareBLAS()
    InstructionSetWish.warnIfUnknown()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      fail(error)
    }
  }

  /// Prints one line of error, or the help that was asked for, and ends the process.
  private static func fail(_ error: any Error) -> Never {
    if let error = error as? DPQError {
      StandardError.line("dpq: error: \(Format.printable(error.description))")
      exitProcess(ExitStatus(error.code))
    }
    if let error = error as? GateMissed {
      StandardError.line("dpq: \(error.message)")
      exitProcess(.gateMissed)
    }
    // Help, version and completion scripts arrive here as well; the parser knows how to print them.
    guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
    let path = ([_commandName] + [subcommandName].compactMap { $0 }).joined(separator: " ")
    StandardError.line("dpq: error: \(Format.printable(oneLine(message(for: error)))) (see '\(path) --help')")
    exitProcess(.usage)
  }

  /// The subcommand named on the command line, if any.
  private static var subcommandName: String? {
    let names = configuration.subcommands.map { $0._commandName }
    return CommandLine.arguments.dropFirst().first { names.contains($0) }
  }

  /// A parser message as the other errors are written: one line, lower case, no full stop.
  private static func oneLine(_ message: String) -> String {
    // Lists of allowed values come as a line each, with a dash.
    var text = ""
    for line in message.split(whereSeparator: \.isNewline).map({ $0.drop { $0 == " " } }) {
      if line.hasPrefix("- ") {
        text += (text.hasSuffix(":") ? " " : ", ") + line.dropFirst(2)
      } else {
        text += (text.isEmpty ? "" : " ") + line
      }
    }
    if text.hasSuffix(".") { text.removeLast() }
    return text.prefix(1).lowercased() + text.dropFirst()
  }
}
