/// How the codes of a compressed table were chosen.
public enum Assignment: String, Sendable, CaseIterable {
  /// Each code is the nearest stored codeword.
  case nearest
  /// Each code is the argmax of a trained layer's normalised response.
  case response
}
