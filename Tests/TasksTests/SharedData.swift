import Foundation

/// Real data that a clone does not hold: in `DPQ_SHARED`, or beside the package.
enum SharedData {
  /// The path of the folder `name` of the data, or `nil`, which is said.
  static func path(_ name: String) -> String? {
    let root =
      ProcessInfo.processInfo.environment["DPQ_SHARED"]
      ?? URL(fileURLWithPath: #filePath).appendingPathComponent("../../../../shared").standardized.path
    let path = root + "/data/" + name
    guard FileManager.default.fileExists(atPath: path) else {
      print("skipped: no \(path); name the folder with DPQ_SHARED")
      return nil
    }
    return path
  }
}
