import DPQ
import DPQTasks

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The instruction set that the environment variable `DPQ_ISA` asks for.
enum InstructionSetWish {
  /// Says in one line where the wish cannot be had; the kernels then run at the best level of the machine.
  static func warnIfUnknown() {
    guard let wish = getenv("DPQ_ISA").map({ String(cString: $0) }), wish != Runtime.instructionSet else { return }
    let known = Runtime.availableInstructionSets.joined(separator: ", ")
    StandardError.line(
      "dpq: warning: DPQ_ISA=\(Format.printable(wish)) is no level of this machine (\(known)): running "
        + Runtime.instructionSet)
  }
}
