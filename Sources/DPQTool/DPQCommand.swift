import ArgumentParser

/// The `dpq` command.
@main
struct DPQCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dpq", abstract: "Compress embedding tables and look rows up from the compressed file.",
    version: "0.1.0")
}
