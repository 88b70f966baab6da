// Trust anchors for the TDS client, read once for all probes that share them and anew when they change on disk.
import Certificates
import Diagnosis
import Synchronization
import TDS

/// The anchors by configured file. A bundle costs milliseconds and a megabyte to read, so nobody reads it for one connection.
final class AzureSQLTrust: Sendable {
    private let known = Mutex<[String: (trust: TDSTrust, stamp: TrustAnchors.Stamp)]>([:])

    /// The system's store, and the configured file beside it. **Throws**: `config_invalid` when a file cannot be used.
    func anchors(_ anchors: TrustAnchors) async throws(Failure) -> TDSTrust {
        let key = anchors.caFile ?? ""
        let stamp = anchors.currentStamp()
        if let known = known.withLock({ $0[key] }), known.stamp == stamp { return known.trust }
        let files = [anchors.caFile].compactMap(\.self)
        let choice: TDSTrust.Anchors =
            if let store = TrustAnchors.storeFile { .files([store] + files) } else if files.isEmpty { .system } else {
                .systemAnd(files: files)
            }
        do {
            let trust = try await TDSTrust.load(choice)
            known.withLock { $0[key] = (trust, stamp) }
            return trust
        } catch {
            throw Failure(
                .configInvalid, during: .config, detail: error.detail, evidence: [Evidence(.agent, text: "\(error.cause.rawValue)")])
        }
    }
}
