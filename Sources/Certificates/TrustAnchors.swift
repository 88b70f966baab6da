// Which anchors a connection verifies against, at the price of a few certificates instead of a whole bundle.
//
// libpq parses its root file on every connection; Debian's bundle of 139 roots costs 33 ms of CPU each time. So the anchor a server's
// chain ends in is found once with the whole store (`CertificateLook`), and libpq gets a private file with that anchor alone. Trust stays
// equal: an anchor is used only after the whole store has vouched for it, and it is forgotten when the store changes on disk.
import CLinux
package import Diagnosis
import Glibc
import Synchronization

/// The trust anchors of one server: `tls.ca_file`, and what the system's store vouched for.
package final class TrustAnchors: Sendable {
    /// The configured file; added to the system's store, never instead of it.
    package let caFile: String?
    private let state = Mutex(State())

    private struct State {
        var descriptor: Int32 = -1
        var stamp: [Int64] = []
        /// When the stores were last looked at, and what their times were then.
        var looked: (at: ContinuousClock.Instant, stamp: [Int64])?

        mutating func close() {
            if descriptor >= 0 { _ = Glibc.close(descriptor) }
            descriptor = -1
        }
    }

    package init(caFile: String?) { self.caFile = caFile }

    deinit {
        let descriptor = state.withLock { $0.descriptor }
        if descriptor >= 0 { _ = Glibc.close(descriptor) }
    }

    /// A file with the anchors to verify against, for a library that wants a path; nil when none is known yet and the server has to be
    /// looked at first.
    package var path: String? {
        return state.withLock { state -> String? in
            guard state.descriptor >= 0 else { return nil }
            let now = ContinuousClock.now
            if state.looked.map({ now - $0.at > .seconds(1) }) ?? true { state.looked = (now, currentStamp()) }
            if state.stamp != state.looked?.stamp { state.close() }
            return state.descriptor >= 0 ? "/proc/self/fd/\(state.descriptor)" : nil
        } ?? caFile
    }

    /// Keeps what the whole store vouched for, beside the configured file.
    ///
    /// **Throws**: `config_invalid` when the configured file cannot be read, `probe_internal` when the system gives no memory file.
    package func adopt(anchorPEM: [UInt8]) throws(Failure) {
        var bytes = anchorPEM
        if let caFile { bytes += try Self.read(caFile) }
        let descriptor = unsafe clinux_memory_file("anchors")
        guard descriptor >= 0 else {
            throw Failure(.probeInternal, during: .tls, evidence: [Evidence(.errno, code: errno, text: "memfd_create")])
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                let code = errno
                _ = Glibc.close(descriptor)
                throw Failure(.probeInternal, during: .tls, evidence: [Evidence(.errno, code: code, text: "write of anchors")])
            }
            rest = rest.dropFirst(count)
        }
        let stamp = currentStamp()
        state.withLock { state in
            state.close()
            state.descriptor = descriptor
            state.stamp = stamp
            state.looked = nil
        }
    }

    /// Whether anchors beyond the configured file are in use.
    package var hasAdopted: Bool { state.withLock { $0.descriptor >= 0 } }

    private static func read(_ path: String) throws(Failure) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Failure(
                .configInvalid, during: .config, detail: "The trust anchor file \(path) cannot be read.",
                evidence: [Evidence(.errno, code: errno, text: path)])
        }
        defer { _ = Glibc.close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 4 << 20 {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes += chunk.prefix(count)
        }
        return bytes
    }

    /// Times of change of everything trust is read from. **Unit**: nanoseconds.
    private func currentStamp() -> [Int64] {
        (Self.storePaths + [caFile].compactMap { $0 }).map { path in
            var status = stat()
            guard unsafe stat(path, &status) == 0 else { return 0 }
            return Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        }
    }

    private static let storePaths = CertificateLook.defaultStorePaths
}
