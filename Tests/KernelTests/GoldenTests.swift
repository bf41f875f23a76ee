import CKernels
import Foundation
import Testing

/// One case of reference values: tensors in float64, made by automatic differentiation of the formulas.
///
/// The folder is named by `DPQ_GOLDEN`; the files follow the README beside them. They are no part of this package.
struct GoldenCase: CustomTestStringConvertible, Sendable {
  let name: String
  let metadata: [String: String]
  let tensors: [String: [Double]]

  var testDescription: String { name }

  static let folder: URL = {
    if let path = ProcessInfo.processInfo.environment["DPQ_GOLDEN"] { return URL(fileURLWithPath: path) }
    return URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../../shared/golden")
      .standardizedFileURL
  }()

  static let all: [GoldenCase] = {
    let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
    return files.filter { $0.pathExtension == "safetensors" }.sorted { $0.path < $1.path }.map { GoldenCase($0) }
  }()

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
}

@Suite struct GoldenTests {
  @Test(.enabled(if: GoldenCase.all.isEmpty)) func goldenFilesAreAbsent() {
    print("SKIPPED: no reference values in \(GoldenCase.folder.path); name their folder with DPQ_GOLDEN")
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
    let isSX = golden.metadata["variant"] == "sx"
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

    let wanted = golden.tensors["codes"]!
    let clear = clearCells(golden, step, query, keys)
    for cell in ownCodes.indices where clear[cell] {
      #expect(Double(ownCodes[cell]) == wanted[cell], "code of cell \(cell)")
    }
    expectClose(output, golden.tensors["output"]!, "output")
    if step.normalise != 0 {
      expectClose(Array(statistics[..<codes]), golden.tensors["response_mean"]!, "mean")
      expectClose(Array(statistics[codes...]), golden.tensors["response_variance"]!, "variance")
    }
    expectClose([Float(regularization)], golden.tensors["regularization"]!, "regularization")
    expectClose(queryGradient, golden.tensors["query_gradient"]!, "query gradient")
    expectClose(keyGradient, golden.tensors["key_gradient"]!, "key gradient")
    if isSX { expectClose(valueGradient, golden.tensors["value_gradient"]!, "value gradient") }
  }

  /// Cells whose best two responses differ by more than 1e-5.
  private func clearCells(_ golden: GoldenCase, _ step: dpq_step, _ query: [Float], _ keys: [Float]) -> [Bool] {
    let mean = golden.tensors["response_mean"]!
    let variance = golden.tensors["response_variance"]!
    return (0..<step.batch * step.groups).map { cell in
      let book = step.shared != 0 ? 0 : cell % step.groups * step.codes * step.width
      let sorted = (0..<step.codes).map { k -> Double in
        var response = 0.0
        for c in 0..<step.width {
          let x = Double(query[cell * step.width + c])
          let key = Double(keys[book + k * step.width + c])
          response += step.variant == DPQ_SX ? x * key : -(x - key) * (x - key)
        }
        return step.normalise != 0 ? (response - mean[k]) / (variance[k] + Double(step.epsilon)).squareRoot() : response
      }.sorted(by: >)
      return sorted[0] - sorted[1] > 1e-5
    }
  }

  private func expectClose(_ own: [Float], _ wanted: [Double], _ name: String) {
    #expect(own.count == wanted.count)
    let difference = zip(own, wanted).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }.squareRoot()
    let norm = wanted.reduce(0) { $0 + $1 * $1 }.squareRoot()
    #expect(difference <= 1e-5 * max(norm, 1e-12), "\(name): relative error \(difference / norm)")
  }
}
