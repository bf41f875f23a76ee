import Work

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// How much faster each instruction-set level is than the scalar one, kernel by kernel, checked against the least that is
// allowed. Times do not hold from one machine to the next; ratios between our own levels nearly do.
//
//   Ratios MINIMUM      lines of MINIMUM: level, least ratio, kernel and shape; "#" starts a comment

func now() -> Double {
  var time = timespec()
  // The time of this thread alone: other processes may take the processor away, but not make the kernel look slow.
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

func pad(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }

func fixed(_ value: Double) -> String {
  let hundredths = Int((value * 100).rounded())
  return "\(hundredths / 100).\(hundredths / 10 % 10)\(hundredths % 10)"
}

func minimums(_ path: String) -> [String: Double]? {
  guard let file = fopen(path, "r") else { return nil }
  defer { fclose(file) }
  var minimums: [String: Double] = [:]
  while let line = readLine(from: file) {
    let words = line.prefix { $0 != "#" }.split(separator: " ")
    guard words.count >= 3, let least = Double(words[1]) else { continue }
    minimums["\(words[2...].joined(separator: " ")), \(words[0])"] = least
  }
  return minimums
}

func readLine(from file: UnsafeMutablePointer<FILE>) -> String? {
  var line: UnsafeMutablePointer<CChar>?
  var capacity = 0
  defer { free(line) }
  guard getline(&line, &capacity, file) >= 0, let line else { return nil }
  return String(String(cString: line).filter { !$0.isNewline })
}

let works: [KernelWork] = [
  .assign(300, 50, 256, rows: 2048), .assign(768, 96, 256, rows: 1024), .assign(512, 32, 256, rows: 1024),
  .assign(300, 100, 32, rows: 2048), .assign(512, 128, 16, rows: 2048), .assign(300, 43, 17, rows: 2048),
  .assign(300, 50, 256, rows: 2048, isExact: true), .sweep(300, 50, 256, rows: 2048),
  .reconstruct(300, 50, 256, rows: 2048), .reconstruct(512, 128, 16, rows: 2048),
  .layerStep(isSoftmax: true, 256, 64, 32, batch: 512), .layerStep(isSoftmax: false, 256, 64, 32, batch: 512),
]
guard CommandLine.arguments.count == 2, var least = minimums(CommandLine.arguments[1]) else {
  print("usage: Ratios MINIMUM (a file that can be read)")
  exit(64)
}
let levels = KernelWork.levels
let rounds = 9
var failures = 0
print(pad("kernel", 32) + levels.map { pad($0, 24) }.joined())
for work in works {
  var best = [Double](repeating: .infinity, count: levels.count)
  // In turn, and the best of all rounds, so that what disturbs one level disturbs all.
  for round in 0..<rounds {
    for (index, level) in levels.enumerated() {
      let start = now()
      work.run(level: level)
      let seconds = now() - start
      if round > 0 { best[index] = min(best[index], seconds) }
    }
  }
  var line = pad(work.name, 32)
  for (index, level) in levels.enumerated() {
    let ratio = best[levels.count - 1] / best[index]
    let allowed = least.removeValue(forKey: "\(work.name), \(level)")
    let failed = allowed.map { ratio < $0 } ?? false
    if failed { failures += 1 }
    line += pad(fixed(ratio) + (allowed.map { failed ? " < \(fixed($0))  LOW" : " >= \(fixed($0))" } ?? ""), 24)
  }
  print(line)
}
// Levels of other processors stay unused; a kernel that is not measured is a mistake in the file.
for name in least.keys.sorted() where levels.contains(where: { name.hasSuffix(", \($0)") }) {
  print("no such kernel: \(name)")
  failures += 1
}
exit(failures == 0 ? 0 : 1)
