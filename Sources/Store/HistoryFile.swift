// Reading a history file without a service, or beside one that writes.
package import Diagnosis
import GRDB

/// A history file, opened read-only for each question. Never writes and never checkpoints, so it may stand beside the service.
package struct HistoryFile: HistoryDatabase {
    package let path: String

    package init(path: String) { self.path = path }

    /// Looks through the whole file for damage.
    /// - Returns: what was found, empty when all is well.
    package func integrity() async throws(Failure) -> [String] {
        try await answer(TableQuestion(ask: { try String.fetchAll($0, sql: "PRAGMA integrity_check").filter { $0 != "ok" } }))
    }

    /// Opening waits for the disk as reading does, so both happen on a queue of their own.
    package func answer<R: Sendable>(_ question: TableQuestion<R>) async throws(Failure) -> R {
        let path = path
        let result: Result<R, Failure> = await QueueExecutor(label: "agent.history").run {
            guard StoreFile.exists(path) else {
                return .failure(
                    Failure(
                        .configInvalid, during: .config,
                        detail: "there is no history file \(path); name the one the service writes (history.path)"))
            }
            do {
                return .success(try Self.open(path).read(question.ask))
            } catch let refusal as StoreRefusal {
                let cause: Cause = [.newerSchema, .foreign, .missing].contains(refusal.trouble) ? .configInvalid : .probeInternal
                return .failure(Failure(cause, during: cause == .configInvalid ? .config : .internal, detail: refusal.message))
            } catch {
                return .failure(
                    Failure(.probeInternal, during: .internal, detail: "\(path) cannot be read: \(Connection.text(error))"))
            }
        }
        return try result.get()
    }

    private static func open(_ path: String) throws -> DatabaseQueue {
        do {
            return try Connection.reader(path)
        } catch {
            // A file in a directory that cannot be written has no shared memory to agree on. Without a log beside it nobody writes, and it
            // may be read as a file that never changes.
            guard error.trouble == .io || error.trouble == .readOnly, StoreFile.size(of: path + "-wal") == 0 else { throw error }
            return try Connection.reader(Self.unchanging(path))
        }
    }

    /// Source: SQLite, "Uniform Resource Identifiers", the parameter `immutable`.
    private static func unchanging(_ path: String) -> String {
        var text = "file:"
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "%"):
                text += "%" + String(byte, radix: 16, uppercase: true)
            default: text.unicodeScalars.append(Unicode.Scalar(byte))
            }
        }
        return text + "?immutable=1"
    }
}
