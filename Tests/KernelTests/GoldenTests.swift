import CKernels
import Foundation
import Testing

/// One case of reference values: tensors in float64, made by automatic differentiation of the formulas.
///
/// A few small cases lie in `Golden`, made by `make_golden.py` there with seed 20. More may lie in the folder named by
/// `DPQ_GOLDEN`; they are no part of this package.
///
/// Each safetensors file holds `query` and `upstream` [batch, groups, width], `keys` and (SX) `values` [codebooks, codes,
/// width]; `codes` [batch, groups], `output`, `response_mean`, `response_variance` [codes], `regularization` [1] and the
/// gradients `query_gradient`, `key_gradient`, (SX) `value_gradient` of Σ output · upstream + regularization. Metadata:
/// `variant`, `batch`, `groups`, `codes`, `width`, `shared`, `batchnorm`, `temperature`, `epsilon`.
struct GoldenCase: CustomTestStringConvertible, Sendable {
  let name: String
  let metadata: [String: String]
  let tensors: [String: [Double]]

  var testDescription: String { name }

  private static let ownFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Golden")
  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["DPQ_GOLDEN"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../shared/golden")
      .standardizedFileURL
  }()

  static let own = read(ownFolder)
  static let given = read(folder)
  static let all = own + given

  private static func read(_ folder: URL) -> [GoldenCase] {
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "safetensors" }.sorted { $0.path < $1.path }.map { GoldenCase($0) }
  }

  init(_ url: URL) {
    let data = try! Data(contentsOf: url)
    let length = data.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try! JSONSerialization.jsonObject(with: data[8..<8 + length]) as! [String: Any]
    name = url.deletingPathExtension().lastPathComponent
    metadata = header["__metadata__"] as! [String: String]
    var tensors: [String: [Double]] = [:]
    for (key, value) in header where key != "__metadata__" {
      let entry = value as! [String: Any]
      let offsets = entry["data_offsets"] as! [Int]
      let bytes = [UInt8](data[8 + length + offsets[0]..<8 + length + offsets[1]])
      tensors[key] = bytes.withUnsafeBytes { raw in
        entry["dtype"] as! String == "F64"
          ? stride(from: 0, to: raw.count, by: 8).map { raw.loadUnaligned(fromByteOffset: $0, as: Double.self) }
          : stride(from: 0, to: raw.count, by: 4).map { Double(raw.loadUnaligned(fromByteOffset: $0, as: Int32.self)) }
      }
    }
    self.tensors = tensors
  }

  func floats(_ name: String) -> [Float] { tensors[name, default: []].map(Float.init) }
  func integer(_ name: String) -> Int { Int(metadata[name]!)! }
  func flag(_ name: String) -> Bool { metadata[name] == "True" }
  var isSX: Bool { metadata["variant"] == "sx" }
}

@Suite struct GoldenTests {
  @Test func goldenCasesOfThisPackageAreRead() { #expect(GoldenCase.own.count == 6) }

  @Test(.enabled(if: GoldenCase.given.isEmpty)) func goldenFilesAreAbsent() {
    print("SKIPPED: no further reference values in \(GoldenCase.folder.path); name their folder with DPQ_GOLDEN")
  }

  /// Codes equal wherever the two best responses differ by more than 1e-5; every tensor to 1e-5 of its norm.
  @Test(arguments: levels, GoldenCase.all)
  func goldenStep(level: String, golden: GoldenCase) throws {
    try atLevel(level) {
      for threads in [Int32(1), 2] { try check(golden, threads) }
    }
  }

  private func check(_ golden: GoldenCase, _ threads: Int32) throws {
    let batch = golden.integer("batch")
    let groups = golden.integer("groups")
    let codes = golden.integer("codes")
    let isSX = golden.isSX
    var step = dpq_step(
      batch: batch, groups: groups, codes: codes, width: golden.integer("width"),
      variant: dpq_variant(isSX ? DPQ_SX : DPQ_VQ), shared: golden.flag("shared") ? 1 : 0,
      normalise: golden.flag("batchnorm") ? 1 : 0, temperature: Float(golden.metadata["temperature"]!)!,
      epsilon: Float(golden.metadata["epsilon"]!)!)
    let query = golden.floats("query")
    let keys = golden.floats("keys")
    let values = isSX ? golden.floats("values") : keys
    let upstream = golden.floats("upstream")

    let bytes = dpq_step_workspace_bytes(&step, threads)
    let workspace = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { workspace.deallocate() }
    var ownCodes = [UInt16](repeating: 0, count: batch * groups)
    var output = [Float](repeating: 0, count: query.count)
    var statistics = [Float](repeating: 0, count: 2 * codes)
    var regularization = 0.0
    var queryGradient = output
    var keyGradient = [Float](repeating: 0, count: keys.count)
    var valueGradient = keyGradient
    try #require(
      dpq_step_forward(
        &step, query, keys, values, nil, threads, workspace, bytes, &ownCodes, &output, &statistics, &regularization)
        == DPQ_OK)
    try #require(
      dpq_step_backward(
        &step, query, keys, values, ownCodes, statistics, upstream, 1, 0, threads, workspace, bytes, &queryGradient,
        &keyGradient, &valueGradient) == DPQ_OK)

    golden.expect(
      GoldenCase.Result(
        codes: ownCodes.map { Int($0) }, output: output, statistics: step.normalise != 0 ? statistics : nil,
        regularization: regularization, queryGradient: queryGradient, keyGradient: keyGradient,
        valueGradient: isSX ? valueGradient : nil))
  }
}

extension GoldenCase {
  /// What a step came to, to be held against this case.
  struct Result {
    var codes: [Int]
    var output: [Float]
    var statistics: [Float]?
    var regularization: Double
    var queryGradient: [Float]
    var keyGradient: [Float]
    var valueGradient: [Float]?
  }

  /// Codes equal wherever the two best responses differ by more than 1e-5; every tensor to 1e-5 of its norm.
  func expect(_ result: Result) {
    let wanted = tensors["codes"]!
    let clear = clearCells()
    for cell in result.codes.indices where clear[cell] {
      #expect(Double(result.codes[cell]) == wanted[cell], "code of cell \(cell)")
    }
    expectClose(result.output, "output")
    if let statistics = result.statistics {
      expectClose(Array(statistics[..<integer("codes")]), "response_mean")
      expectClose(Array(statistics[integer("codes")...]), "response_variance")
    }
    expectClose([Float(result.regularization)], "regularization")
    expectClose(result.queryGradient, "query_gradient")
    expectClose(result.keyGradient, "key_gradient")
    if let gradient = result.valueGradient { expectClose(gradient, "value_gradient") }
  }

  /// Cells whose best two responses differ by more than 1e-5.
  private func clearCells() -> [Bool] {
    let (mean, variance) = (tensors["response_mean"]!, tensors["response_variance"]!)
    let (query, keys) = (tensors["query"]!, tensors["keys"]!)
    let (groups, codes, width) = (integer("groups"), integer("codes"), integer("width"))
    let epsilon = Double(metadata["epsilon"]!)!
    return (0..<integer("batch") * groups).map { cell in
      let book = flag("shared") ? 0 : cell % groups * codes * width
      let sorted = (0..<codes).map { k -> Double in
        var response = 0.0
        for c in 0..<width {
          let (x, key) = (query[cell * width + c], keys[book + k * width + c])
          response += isSX ? x * key : -(x - key) * (x - key)
        }
        return flag("batchnorm") ? (response - mean[k]) / (variance[k] + epsilon).squareRoot() : response
      }.sorted(by: >)
      return sorted[0] - sorted[1] > 1e-5
    }
  }

  private func expectClose(_ own: [Float], _ name: String) {
    let wanted = tensors[name]!
    #expect(own.count == wanted.count)
    let difference = zip(own, wanted).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }.squareRoot()
    let norm = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(difference <= 1e-5 * max(norm, 1e-12), "\(name): relative error \(difference / norm)")
  }
}
