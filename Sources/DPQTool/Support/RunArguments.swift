import ArgumentParser
import DPQ
import DPQTasks

/// What all training shares: seed, folder, going on, threads, report.
struct RunArguments: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("Seed of every random choice.", valueName: "n"))
  var seed: UInt64 = 1
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Folder for checkpoint, model, embedding, report and pictures.", valueName: "folder"),
    completion: .directory)
  var output: String?
  @Flag(help: "Go on from the checkpoint in the output folder, if there is one.")
  var resume = false
  @Flag(help: "Start anew where the output folder holds a run.")
  var force = false
  @OptionGroup var threading: ThreadArguments
  @OptionGroup var report: ReportArguments

  func validate() throws {
    if output == nil, resume { throw ValidationError("--resume needs the --output of the run") }
    if resume, force { throw ValidationError("Choose one of --resume and --force") }
  }

  /// The output folder, checked: a run that is there is neither lost nor mistaken for the new one.
  func folder() throws(DPQError) -> RunFolder? {
    guard let folder = output.map(RunFolder.init), !resume, !force else { return output.map(RunFolder.init) }
    for path in [folder.path(.checkpoint), folder.path(.report)] where OutputFile.size(of: path) != 0 {
      throw DPQError(
        .cannotCreateOutput, "is there from an earlier run: --resume goes on with it, --force starts anew",
        .init(file: path))
    }
    return folder
  }

  /// Prints what came out.
  func print(_ result: TaskReport) throws {
    try report.print(result.json, result.text(threads: threading.threads, output: output))
  }

  /// Checks the share of values that dropout keeps.
  static func checkKeep(_ keep: Float) throws {
    if !(keep > 0 && keep <= 1) { throw ValidationError("--keep takes a number above 0, up to 1") }
  }
}
