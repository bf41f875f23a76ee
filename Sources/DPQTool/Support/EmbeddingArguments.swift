import ArgumentParser
import DPQ
import DPQTasks

extension EmbeddingKind: ExpressibleByArgument {}
extension AdaptiveEmbedding.Choice: ExpressibleByArgument {}
extension DPQEmbedding.Variant: ExpressibleByArgument {}

/// Shares of a training run, as in `select:4,codes:4,tune:2`; a phase that is left out has none.
struct TrainingPhases: ExpressibleByArgument {
  /// Shares of the phases in their order.
  var shares = [Double](repeating: 0, count: AdaptiveEmbedding.Phase.allCases.count)

  init?(argument: String) {
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let words = part.split(separator: ":", omittingEmptySubsequences: false)
      guard words.count == 2, let share = Double(words[1]), share.isFinite, share >= 0,
        let phase = AdaptiveEmbedding.Phase.allCases.first(where: { "\($0)" == words[0] })
      else { return nil }
      shares[phase.rawValue] = share
    }
    if shares.reduce(0, +) <= 0 { return nil }
  }
}

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
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Rank of a low-rank table; by default it takes the bytes of the groups and codes.", valueName: "n"))
  var rank: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The table, or the queries of sx and vq, start in [-x, x).", valueName: "x"))
  var queryScale: Float?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keys and values of sx and vq start in [-x, x).", valueName: "x"))
  var keyScale: Float?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Queries of sx and vq start around x: rows seldom seen keep one code. With --raw-responses.", valueName: "x"))
  var queryOffset: Float = 0
  @Option(parsing: .unconditional, help: ArgumentHelp("sx: temperature of the softmax.", valueName: "x"))
  var temperature: Float = 1
  @Flag(help: "sx, vq: do not normalise responses.")
  var rawResponses = false
  @Flag(help: "sx: the values are the keys.")
  var tied = false
  @Option(parsing: .unconditional, help: ArgumentHelp("vq: weight of the commitment term.", valueName: "x"))
  var commitment: Float = 0
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("vq: keys are moving averages of their queries; share that stays in a step.", valueName: "x"))
  var keyAverages: Float?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("sx, vq: codes unused for that many batches start anew.", valueName: "n"))
  var restartUnused: Int?
  @Flag(
    help: """
      sx, vq: keep in the file what codes further rows (keys, statistics of responses): dpq encode --with it takes queries.
      """)
  var keepEncoder = false

  @Option(
    help: ArgumentHelp(
      "adaptive: tiers rows choose from: groups x codes (8x16,25x16,50x16) or bits of binary codes (16,32,64).",
      valueName: "list"))
  var tiers: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("adaptive: mean bits of a row, its place in the tier map counted.", valueName: "x"))
  var targetBits: Double?
  @Option(
    help: ArgumentHelp(
      "adaptive: shares of the training that select tiers, learn codes and tune codewords (default: select:4,codes:4,tune:2).",
      valueName: "list"))
  var phases: TrainingPhases?
  @Option(
    help: "adaptive: how tiers of groups x codes choose codes (default: vq with --pretrained, else sx).")
  var tierVariant: DPQEmbedding.Variant?
  @Option(help: "adaptive: how the tier of a row is decided; all but learned are there to compare with.")
  var tierChoice: AdaptiveEmbedding.Choice = .learned
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("adaptive: how far a use of a row moves its choice of a tier.", valueName: "x"))
  var selectionRate: Float?

  func validate() throws {
    if (embedding == .adaptive) != (targetBits != nil) {
      throw ValidationError("--embedding adaptive and --target-bits go together")
    }
    if keepEncoder, embedding != .sx, embedding != .vq {
      throw ValidationError("--keep-encoder is for --embedding sx and vq")
    }
    if embedding != .adaptive,
      tiers != nil || phases != nil || selectionRate != nil || tierVariant != nil || tierChoice != .learned
    {
      throw ValidationError(
        "--tiers, --phases, --tier-choice, --tier-variant and --selection-rate are for --embedding adaptive")
    }
    if let targetBits, !(targetBits.isFinite && targetBits > 0) {
      throw ValidationError("--target-bits takes a number above 0")
    }
    if let selectionRate, !(selectionRate.isFinite && selectionRate > 0) {
      throw ValidationError("--selection-rate takes a number above 0")
    }
    if let groups, groups < 1 { throw ValidationError("--groups takes a whole number from 1 on") }
    for (name, value) in [("--query-scale", queryScale), ("--key-scale", keyScale), ("--temperature", temperature)] {
      if let value, !(value.isFinite && value > 0) { throw ValidationError("\(name) takes a number above 0") }
    }
    if !queryOffset.isFinite { throw ValidationError("--query-offset takes a number") }
    if queryOffset != 0, !rawResponses || (embedding != .sx && embedding != .vq) {
      throw ValidationError("--query-offset is for --embedding sx or vq with --raw-responses: others take it out again")
    }
    if !(commitment.isFinite && commitment >= 0) { throw ValidationError("--commitment takes a number from 0 on") }
    if let keyAverages, !(keyAverages >= 0 && keyAverages < 1) {
      throw ValidationError("--key-averages takes a number from 0 on, below 1")
    }
    if let restartUnused, restartUnused < 1 { throw ValidationError("--restart-unused takes a whole number from 1 on") }
    if let rank, rank < 1 { throw ValidationError("--rank takes a whole number from 1 on") }
    if let codes, !(2...65_536).contains(codes) { throw ValidationError("--codes takes 2 to 65536") }
  }

  /// The options; what is not given is as the papers have it.
  var options: EmbeddingOptions {
    var options = EmbeddingOptions(embedding)
    if let groups { options.groups = groups }
    if let codes { options.codes = codes }
    options.isShared = shared
    options.rank = rank
    options.scale = queryScale
    options.queryOffset = queryOffset
    options.keyScale = keyScale
    options.temperature = temperature
    options.normalizesResponse = !rawResponses
    options.isTied = tied
    options.commitment = commitment
    options.keyAverageDecay = keyAverages
    options.unusedLimit = restartUnused
    options.keepsEncoder = keepEncoder
    if let tiers { options.tiers = tiers }
    options.targetBits = targetBits
    if let phases { options.phases = phases.shares }
    options.choice = tierChoice
    options.tierVariant = tierVariant
    if let selectionRate { options.selectionRate = selectionRate }
    return options
  }
}
