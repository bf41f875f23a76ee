import DPQ

/// Data to learn from, whatever the task.
package protocol LearningData {
  /// Names of the files.
  var name: String { get }
  /// Words of the rows of the model's table.
  var vocabulary: Vocabulary { get }
  /// The labels that words have in training.
  var wordLabels: WordLabels { get }
}

/// A model that learns, whatever the task.
package protocol LearningModel: AnyObject {
  /// The input table; another of the same shape may take its place outside training.
  var embedding: any EmbeddingLayer { get set }
  /// What the optimiser moves.
  var parameters: [Parameter] { get }
  /// Training batches so far, for dropout; set at the start of an epoch.
  var batches: UInt64 { get set }
}

/// A model over the data it learns from: what ``EpochTrainer`` trains, whatever the task.
package protocol LearningProblem: AnyObject {
  associatedtype Data: LearningData
  associatedtype Model: LearningModel

  /// What the report calls the task.
  var task: String { get }
  /// What ``score(_:)`` measures; more is better.
  var metric: String { get }
  var data: Data { get }
  var model: Model { get }
  /// All that tells the data and the model from others, by name: a run is resumed only with the same.
  var identity: [(name: String, value: String)] { get }
  /// Steps that each training example takes; those of a batch are chosen to take about as many.
  var lengths: [Int] { get }
  /// Words of a training example.
  func words(of example: Int) -> Int

  /// Sets the gradients by the mean loss of a batch; returns the sum of the losses, and of how many.
  func train(_ examples: [Int]) throws(DPQError) -> (loss: Double, count: Int)
  /// The metric of the model as it stands, and what else the report tells of it.
  func score(_ part: DataPart) throws(DPQError) -> (value: Double, details: [(String, JSON)])
  /// What the report tells of data and model.
  var details: [(String, JSON)] { get }
}

/// The parts of some data that models are measured on.
package enum DataPart: Sendable {
  /// What the best weights are chosen by.
  case dev
  /// What is reported.
  case test
}

extension LearningProblem {
  var dataName: String { data.name }
  var vocabulary: Vocabulary { data.vocabulary }
  var wordLabels: WordLabels { data.wordLabels }
  package var embedding: any EmbeddingLayer {
    get { model.embedding }
    set { model.embedding = newValue }
  }
  var parameters: [Parameter] { model.parameters }
  var batches: UInt64 {
    get { model.batches }
    set { model.batches = newValue }
  }

  /// Everything that a checkpoint of the model holds, by name.
  var tensors: [(name: String, value: Matrix)] { parameters.map { ($0.name, $0.value) } + embedding.buffers }
}
