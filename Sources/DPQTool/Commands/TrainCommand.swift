import ArgumentParser

/// `dpq train TASK …`.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a model end to end with a compressed embedding inside.",
    discussion: """
      The embedding is part of the model and learns with it; its codes and codebooks are written as a .dpq file, the \
      results as a report.
      """,
    subcommands: [
      TrainClassifyCommand.self, TrainLanguageModelCommand.self, TrainTagCommand.self, TrainInferCommand.self,
    ])
}
