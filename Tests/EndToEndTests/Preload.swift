// A wall clock that jumps and a disk that is full, for a program that runs: the test's side of Tests/Preload.
import Foundation

/// What the preloaded library reads while the program runs.
final class Preload: Sendable {
    let folder: URL
    private let state: URL

    /// - Parameter folder: where the disk is full when it is said to be.
    init(folder: URL) throws {
        self.folder = folder
        state = FileManager.default.temporaryDirectory.appendingPathComponent("agent-preload-\(UUID().uuidString)")
        try Data(count: 16).write(to: state)
    }

    deinit { try? FileManager.default.removeItem(at: state) }

    var environment: [String: String] {
        [
            "LD_PRELOAD": Program.products.appendingPathComponent("libagent-preload.so").path, "AGENT_PRELOAD_STATE": state.path,
            // With the slash, so that a folder whose name only begins alike is not meant.
            "AGENT_PRELOAD_FOLDER": folder.resolvingSymlinksInPath().path + "/",
        ]
    }

    /// Sets the wall clock off by so many seconds.
    func shiftClock(by seconds: Int64) throws { try write(seconds, at: 0) }
    func fillDisk(_ isFull: Bool) throws { try write(isFull ? 1 : 0, at: 8) }

    /// In place: the program has the file mapped.
    private func write(_ number: Int64, at offset: UInt64) throws {
        let handle = try FileHandle(forWritingTo: state)
        defer { try? handle.close() }
        try handle.seek(toOffset: offset)
        try handle.write(contentsOf: Data((0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }))
    }
}
