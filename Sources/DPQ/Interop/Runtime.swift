import CKernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the library runs on: instruction set, threads, memory, time.
public enum Runtime {
  /// Name of the instruction-set level whose kernels run: `scalar`, `avx2`, `avx512`, `avx512vnni` or `neon`.
  public static var instructionSet: String { String(cString: dpq_isa_name()) }

  /// Levels this machine can run, best first.
  public static var availableInstructionSets: [String] {
    var names: [String] = []
    var next = dpq_isa_available()
    while let name = next?.pointee {
      names.append(String(cString: name))
      next = next?.successor()
    }
    return names
  }

  /// Switches the whole process to one of ``availableInstructionSets``; the environment variable `DPQ_ISA` does the same
  /// at first use.
  ///
  /// - Throws: `invalidArgument` for a level this machine cannot run.
  public static func selectInstructionSet(_ name: String) throws(DPQError) {
    let status = dpq_isa_select(name)
    try DPQError.check(
      status,
      "\(name) does not run on this machine: choose \(availableInstructionSets.joined(separator: ", "))")
  }

  /// `openmp` or `serial`: who runs the parallel parts of this build.
  public static var parallelBackend: String { String(cString: dpq_parallel_backend()) }

  /// Threads that `asked` stands for: itself, or the number of processors for 0; 1 in a serial build.
  public static func threadCount(_ asked: Int) -> Int { Int(dpq_thread_count(Int32(clamping: asked))) }

  /// Makes OpenBLAS ready for this process: single-threaded, because the library runs its products on its own threads,
  /// and with kernels for this processor where it does not know it.
  ///
  /// A process-wide setting, so programs choose it themselves, once, at start; the `dpq` command does. Without it
  /// products may be several times slower.
  public static func prepareBLAS() { dpq_blas_prepare() }

  /// Most bytes of memory this process has held at once so far; 0 where the system does not tell.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    #if canImport(Glibc)
      // ru_maxrss survives exec and then tells the size of the program that started this one: ask the kernel first.
      if let peak = residentHighWater() { return peak }
      return getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
    #else
      return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0
    #endif
  }

  /// Seconds of a clock that only goes forward, from an arbitrary start.
  public static var clock: Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  #if canImport(Glibc)
    /// `VmHWM` of `/proc/self/status`, in bytes.
    private static func residentHighWater() -> Int? {
      let file = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { return nil }
      defer { close(file) }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(file, &bytes, bytes.count)
      guard count > 0 else { return nil }
      for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
      where line.hasPrefix("VmHWM:") {
        return Int(line.filter(\.isNumber)).map { $0 * 1024 }
      }
      return nil
    }
  #endif
}
