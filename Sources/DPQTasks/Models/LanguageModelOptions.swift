/// How a language model is trained (Zaremba, Sutskever, Vinyals 2014).
public struct LanguageModelOptions: Sendable {
  /// The settings that papers name.
  public enum Preset: String, CaseIterable, Sendable {
    /// Penn Treebank, 200 cells.
    case ptbSmall = "ptb-small"
    /// Penn Treebank, 650 cells, dropout.
    case ptbMedium = "ptb-medium"
    /// WikiText-2, 200 cells.
    case wikiText2Small = "wikitext2-small"
    /// WikiText-2, 650 cells, dropout.
    case wikiText2Medium = "wikitext2-medium"
  }

  /// Shape and initial values.
  public var model = LanguageModel.Options()
  /// Steps that gradients go back.
  public var unroll = 20
  /// Passes over the text.
  public var epochs = 13
  /// Stop after that many batches.
  public var steps: Int?
  /// Step size of the first epochs.
  public var rate: Float = 1
  /// Factor on the step size from one epoch to the next, after ``decayAfter`` epochs.
  public var decay: Float = 0.5
  /// Epochs at the first step size.
  public var decayAfter = 4
  /// Largest norm of all gradients together.
  public var clippingNorm: Float = 5
  /// Parts of the text that evaluation reads side by side.
  public var evaluationStreams = 10

  /// Makes the options of `preset`.
  public init(_ preset: Preset = .ptbSmall) {
    switch preset {
    case .ptbSmall, .wikiText2Small: break
    case .ptbMedium, .wikiText2Medium:
      model.dimension = 650
      model.keep = 0.5
      model.scale = 0.05
      unroll = 35
      epochs = 39
      decay = 0.8
      decayAfter = 6
    }
  }

  /// The step size of `epoch`, counted from 0.
  func rate(epoch: Int) -> Float {
    var rate = rate
    for _ in 0..<max(0, epoch + 1 - decayAfter) { rate *= decay }
    return rate
  }

  /// All that decides the result but the number of epochs: a run is resumed with the same settings.
  var fingerprint: String {
    let parts: [any CustomStringConvertible] = [
      model.dimension, model.batch, model.keep, model.scale, model.seed, unroll, rate, decay, decayAfter, clippingNorm,
      evaluationStreams,
    ]
    return parts.map(\.description).joined(separator: " ")
  }
}
