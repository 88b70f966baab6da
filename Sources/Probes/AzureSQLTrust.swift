// Trust anchors for the TDS client, read once for all probes that share them and anew when they change on disk.
import Certificates
import Diagnosis
import Synchronization
import TDS

/// The anchors by configured file. A bundle costs milliseconds and a megabyte to read, so nobody reads it for one connection.
final class AzureSQLTrust: Sendable {
    private typealias Loading = Task<Result<TDSTrust, TDSFailure>, Never>

    private let known = Mutex<[String: (trust: TDSTrust, stamp: TrustAnchors.Stamp)]>([:])
    /// Reads under way: probes that start together share one.
    private let loading = Mutex<[String: (stamp: TrustAnchors.Stamp, work: Loading)]>([:])

    /// The system's store, and the configured file beside it. Whoever waits does so until its deadline; the reading goes on for the others.
    ///
    /// **Throws**: `config_invalid` when a file cannot be used.
    func anchors(_ anchors: TrustAnchors, until deadline: Deadline) async throws(ProbeEnd) -> TDSTrust {
        let key = anchors.caFile ?? ""
        let stamp = anchors.currentStamp()
        // While the disk does not say when the files changed, what is known of them holds.
        if let known = known.withLock({ $0[key] }), known.stamp == stamp || !stamp.isKnown { return known.trust }
        let files = [anchors.caFile].compactMap(\.self)
        let choice: TDSTrust.Anchors =
            if let store = TrustAnchors.storeFile { .files([store] + files) } else if files.isEmpty { .system } else {
                .systemAnd(files: files)
            }
        let work = load(key, choice, stamp)
        guard let result = await Self.first(of: work, until: deadline) else {
            if Task.isCancelled { throw .cancelled }
            throw .failed(
                Failure(
                    .probeDeadline, during: .config, detail: "The trust anchors were not read in time; the disk may hang.",
                    evidence: [Evidence(.agent, text: anchors.caFile ?? "the system's store")]))
        }
        switch result {
        case .success(let trust): return trust
        case .failure(let error):
            throw .failed(
                Failure(
                    .configInvalid, during: .config, detail: error.detail, evidence: [Evidence(.agent, text: "\(error.cause.rawValue)")]))
        }
    }

    /// The reading that is under way for the same state of the files, or a new one.
    private func load(_ key: String, _ choice: TDSTrust.Anchors, _ stamp: TrustAnchors.Stamp) -> Loading {
        loading.withLock { loading in
            if let running = loading[key], running.stamp == stamp { return running.work }
            // A task of its own, because it belongs to all who wait; it ends with the reading, which nothing can interrupt.
            let work = Loading {
                let result: Result<TDSTrust, TDSFailure>
                do throws(TDSFailure) {
                    result = .success(try await TDSTrust.load(choice))
                } catch {
                    result = .failure(error)
                }
                self.finish(key, stamp, result)
                return result
            }
            loading[key] = (stamp, work)
            return work
        }
    }

    private func finish(_ key: String, _ stamp: TrustAnchors.Stamp, _ result: Result<TDSTrust, TDSFailure>) {
        if case .success(let trust) = result { known.withLock { $0[key] = (trust, stamp) } }
        loading.withLock { loading in if loading[key]?.stamp == stamp { loading[key] = nil } }
    }

    /// - Returns: nil at the deadline, or when the caller is cancelled.
    private static func first(of work: Loading, until deadline: Deadline) async -> Result<TDSTrust, TDSFailure>? {
        let (results, hand) = AsyncStream<Result<TDSTrust, TDSFailure>>.makeStream()
        // A task of its own, because waiting for the reading answers no cancellation. It ends with the reading; who gave up hears nothing of it.
        Task {
            hand.yield(await work.value)
            hand.finish()
        }
        return await results.first(until: deadline.instant)
    }
}
