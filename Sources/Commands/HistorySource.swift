// What the verbs that read the history file share: which file, which check, and what a missing file means.
import ArgumentParser
import Diagnosis
import Settings
import Store

/// The file to read.
struct HistorySource {
    let path: String
    /// Whether somebody named this file; otherwise it need not exist yet.
    let isNamed: Bool

    init(file: String?, _ options: ConfigurationOptions) throws {
        isNamed = file != nil
        if let file { path = file } else { path = try options.load().history.path }
    }

    /// Reads from the file. A file that nobody named and that is not there gives `none`: nothing has happened yet.
    func read<Value>(orNone none: Value, _ body: (HistoryFile) async throws(Failure) -> Value) async throws -> Value {
        do {
            return try await body(HistoryFile(path: path))
        } catch {
            if !isNamed, error.cause == .configInvalid, !Surroundings.fileExists(path) { return none }
            throw error.exit()
        }
    }
}

/// Reads the argument of `--since`.
func sinceMoment(_ text: String) throws {
    if HistoryCommand.moment(text, now: .now) == nil { throw ValidationError("'\(text)' is no span (30m, 24h, 7d) and no time in UTC.") }
}

/// Reads the argument of `--before`.
func beforeMoment(_ text: String) throws {
    if Timestamp(rfc3339: text) == nil { throw ValidationError("'\(text)' is no time such as 2026-11-22T03:04:11.000Z.") }
}
