import ArgumentParser
import DPQ
import DPQTasks

extension EmbeddingKind: ExpressibleByArgument {}

/// Which embedding a model gets.
struct EmbeddingArguments: ParsableArguments {
  @Option(help: "What stands in for the embedding table.")
  var embedding: EmbeddingKind = .full
  @Option(parsing: .unconditional, help: ArgumentHelp("Groups a row is cut into.", valueName: "n"))
  var groups: Int?
  @Option(parsing: .unconditional, help: ArgumentHelp("Codes of a group, 2 to 65536.", valueName: "n"))
  var codes: Int?
  @Flag(help: "One codebook for all groups.")
  var shared = false

  func validate() throws {
    if let groups, groups < 1 { throw ValidationError("--groups takes a whole number from 1 on") }
    if let codes, !(2...65_536).contains(codes) { throw ValidationError("--codes takes 2 to 65536") }
  }

  /// The options; what is not given is as the papers have it.
  var options: EmbeddingOptions {
    var options = EmbeddingOptions(embedding)
    if let groups { options.groups = groups }
    if let codes { options.codes = codes }
    options.isShared = shared
    return options
  }
}
