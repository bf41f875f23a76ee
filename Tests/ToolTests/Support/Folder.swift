import Foundation

/// A folder of its own for one test, removed with it.
final class Folder {
  let url: URL
  /// Beside the folder, so that looking for left files does not find them.
  let logs: URL

  init() throws {
    let base = FileManager.default.temporaryDirectory.appendingPathComponent("dpq-tests-\(UUID().uuidString)")
    url = base.appendingPathComponent("files")
    logs = base.appendingPathComponent("logs")
    for folder in [url, logs] { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
  }

  deinit { try? FileManager.default.removeItem(at: url.deletingLastPathComponent()) }

  func path(_ name: String) -> URL { url.appendingPathComponent(name) }

  func read(_ name: String) throws -> Data { try Data(contentsOf: path(name)) }

  func write(_ data: Data, _ name: String) throws { try data.write(to: path(name)) }

  func write(_ text: String, _ name: String) throws { try write(Data(text.utf8), name) }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name).path) }

  /// Names and contents of all files, hidden ones included.
  func contents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: url.path) { contents[name] = try? read(name) }
    return contents
  }
}
