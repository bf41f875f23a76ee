import CKernelChecks
import CKernels
import Foundation
import Testing

/// Levels this machine runs, best first.
let levels: [String] = {
  var names: [String] = []
  var level = dpq_isa_available()!
  while let name = level.pointee {
    names.append(String(cString: name))
    level += 1
  }
  return names
}()

/// Runs `body` with this thread's kernels at `level`.
func atLevel<R>(_ level: String, _ body: () throws -> R) rethrows -> R {
  #expect(dpq_isa_select(level) == DPQ_OK)
  #expect(String(cString: dpq_isa_name()) == level)
  defer { dpq_isa_select(nil) }
  return try body()
}

@Suite struct KernelTests {
  static let checkNames: [String] = {
    var count = 0
    let checks = kernel_checks(&count)!
    return (0..<count).map { String(cString: checks[$0].name) }
  }()

  @Test(arguments: levels, checkNames)
  func agreesWithFloat64(level: String, check: String) {
    atLevel(level) {
      var count = 0
      let run = kernel_checks(&count)![Self.checkNames.firstIndex(of: check)!].run!
      var message = [CChar](repeating: 0, count: 512)
      let failed = run(&message, message.count)
      let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      #expect(failed == 0, "\(level), \(check): \(text)")
    }
  }

  @Test func everyMachineHasTheScalarLevelLast() {
    #expect(levels.last == "scalar")
    #expect(Set(levels).count == levels.count)
  }

  /// A level the environment names is the one that runs, so that a test run under `DPQ_ISA` tests what it says.
  @Test func environmentChoosesTheLevel() {
    guard let wish = ProcessInfo.processInfo.environment["DPQ_ISA"], levels.contains(wish) else { return }
    #expect(String(cString: dpq_isa_name()) == wish)
  }

  /// Equal results do not show that vector code ran: the levels must differ in speed as their vectors do in length.
  @Test(.enabled(if: levels.count > 1)) func vectorLevelsAreFasterThanScalar() throws {
    let rows = 4096
    let dimension = 64
    var layout = dpq_layout(dimension: dimension, groups: 8, codes: 256, shared: 0)
    let codebook = (0..<dpq_layout_codebook_count(&layout)).map { Float(($0 * 7919) % 1000) / 1000 }
    let table = (0..<rows * dimension).map { Float(($0 * 104_729) % 1000) / 1000 }
    // Other tests run beside this one: the time is this thread's own, the levels take turns, and the least of each
    // counts, with more turns for as long as the machine is too busy for it to show.
    var seconds: [String: Double] = [:]
    var turn = 0
    while turn < 5 || (turn < 200 && seconds[levels[0]]! * 1.5 >= seconds["scalar"]!) {
      for level in levels {
        atLevel(level) {
          let start = threadSeconds()
          assign(table, rows, &layout, codebook)
          seconds[level] = min(seconds[level] ?? .infinity, threadSeconds() - start)
        }
      }
      turn += 1
    }
    #expect(seconds[levels[0]]! * 1.5 < seconds["scalar"]!, "\(seconds)")
  }

  /// Processor time of the calling thread.
  private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private func assign(_ table: [Float], _ rows: Int, _ layout: inout dpq_layout, _ codebook: [Float]) {
    let bytes = dpq_assigner_bytes(&layout)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { memory.deallocate() }
    var assigner: OpaquePointer?
    #expect(dpq_assigner_init(&layout, codebook, dpq_similarity(DPQ_NEAREST), memory, bytes, &assigner) == DPQ_OK)
    let workBytes = dpq_assign_workspace_bytes(assigner, 1)
    let workspace = UnsafeMutableRawPointer.allocate(byteCount: workBytes, alignment: 64)
    defer { workspace.deallocate() }
    var codes = [UInt8](repeating: 0, count: rows * layout.groups)
    table.withUnsafeBytes { table in
      var view = dpq_rows(
        data: table.baseAddress, type: dpq_scalar(DPQ_F32), count: rows, dimension: layout.dimension,
        stride: layout.dimension, scale: nil)
      #expect(
        dpq_assign(assigner, &view, Int32(DPQ_ASSIGN_FAST), 1, workspace, workBytes, &codes, layout.groups) == DPQ_OK)
    }
  }

  /// A build that asks for OpenMP must not be silently serial.
  @Test func parallelBackendIsTheOneBuilt() {
    #if OpenMP && os(Linux)
      #expect(String(cString: dpq_parallel_backend()) == "openmp")
      #expect(dpq_thread_count(3) == 3)
      #expect(dpq_thread_count(0) >= 1)
    #else
      #expect(String(cString: dpq_parallel_backend()) == "serial")
      #expect(dpq_thread_count(3) == 1)
    #endif
  }
}
