// Which anchors a connection verifies against, at the price of a few certificates instead of a whole bundle.
//
// libpq parses its root file on every connection; Debian's bundle of 139 roots costs 33 ms of CPU each time. So the anchor a server's
// chain ends in is found once with the whole store (`CertificateLook`), and libpq gets a private file with that anchor alone. Trust stays
// equal: an anchor is used only after the whole store has vouched for it, and it is forgotten when the store changes on disk.
import CLinux
package import Diagnosis
import Glibc
import Synchronization

/// A file with trust anchors, for a library that wants a path. A private one lives in memory and goes with the last who holds it, so a
/// connection keeps the file that its library has yet to open.
package final class AnchorFile: Sendable {
    package let path: String
    private let descriptor: Int32
    private let pem = Mutex<[UInt8]>([])

    /// A file of somebody else's.
    package init(path: String) {
        self.path = path
        descriptor = -1
    }

    /// A private file, empty until ``fill(with:)``. **Throws**: `probe_internal` when the system gives none.
    package init() throws(Failure) {
        descriptor = unsafe clinux_memory_file("anchors")
        guard descriptor >= 0 else {
            throw Failure(.probeInternal, during: .tls, evidence: [Evidence(.errno, code: errno, text: "memfd_create")])
        }
        path = "/proc/self/fd/\(descriptor)"
    }

    deinit {
        if descriptor >= 0 { _ = close(descriptor) }
    }

    /// Whether nothing is in it yet.
    package var isEmpty: Bool { descriptor >= 0 && pem.withLock(\.isEmpty) }

    /// Whether it holds exactly these anchors.
    func holds(_ bytes: [UInt8]) -> Bool { pem.withLock { $0 == bytes } }

    /// Puts the anchors in, once, before anybody reads. **Throws**: `probe_internal`.
    func fill(with bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                throw Failure(.probeInternal, during: .tls, evidence: [Evidence(.errno, code: errno, text: "write of anchors")])
            }
            rest = rest.dropFirst(count)
        }
        pem.withLock { $0 = bytes }
    }
}

/// The trust anchors of one server: `tls.ca_file`, and what the system's store vouched for.
package final class TrustAnchors: Sendable {
    /// The configured file; added to the system's store, never instead of it.
    package let caFile: String?
    private let configured: AnchorFile?
    private let state = Mutex(State())

    private struct State {
        var adopted: AnchorFile?
        /// The store's times of change when `adopted` was filled.
        var stamp = Stamp()
        /// The whole store, for a library that takes it.
        var store: (value: TrustStore, stamp: Stamp)?
    }

    /// The state on disk of everything trust is read from.
    package struct Stamp: Sendable, Hashable {
        /// Times of change; nil when they are not known. **Unit**: nanoseconds.
        var times: [Int64]?
        /// Whether the disk has told.
        package var isKnown: Bool { times != nil }
    }

    private let watch: TrustWatch
    /// Everything that trust is read from.
    private let paths: [String]

    package init(caFile: String?, watch: TrustWatch = .shared) {
        self.caFile = caFile
        self.watch = watch
        configured = caFile.map(AnchorFile.init(path:))
        paths = CertificateLook.storePaths + [caFile].compactMap(\.self)
        watch.follow(paths)
    }

    deinit { watch.unfollow(paths) }

    /// The file to verify against; nil when no anchor is known yet and the server has to be looked at.
    ///
    /// While the stores cannot be looked at, what they have vouched for stays in use: nothing says that it has changed.
    package var file: AnchorFile? {
        let stamp = currentStamp()
        return state.withLock { state -> AnchorFile? in
            if stamp.times != nil, state.stamp != stamp { state.adopted = nil }
            return state.adopted
        } ?? configured
    }

    /// The whole store with the configured file, made anew when anything it is read from has changed on disk.
    ///
    /// Reads files: not for the cooperative pool. **Throws**: `config_invalid` when the configured file cannot be used.
    package func store() throws(Failure) -> TrustStore {
        let stamp = currentStamp()
        // One that was read while the times were not known is as good as any until they are.
        if let known = state.withLock({ $0.store }), known.stamp == stamp || stamp.times == nil { return known.value }
        let new = try TrustStore(caFile: caFile)
        state.withLock { $0.store = (new, stamp) }
        return new
    }

    /// Keeps what the whole store vouched for, beside the configured file, and fills `file` with it when one waits for it.
    ///
    /// **Throws**: `config_invalid` when the configured file cannot be read, `probe_internal` when the system gives no memory file.
    /// - Parameter stamp: from before the store was read for the verdict: what changed since then may have ended the trust.
    package func adopt(anchorPEM: [UInt8], vouchedAt stamp: Stamp, filling file: AnchorFile? = nil) throws(Failure) {
        var bytes = anchorPEM
        if let caFile { bytes += try Self.read(caFile) }
        let new: AnchorFile
        if let file { new = file } else { new = try AnchorFile() }
        try new.fill(with: bytes)
        state.withLock { state in
            // An equal file stays: whoever connects with it goes on.
            if let known = state.adopted, known.holds(bytes), state.stamp == stamp { return }
            state.adopted = new
            state.stamp = stamp
        }
    }

    private static func read(_ path: String) throws(Failure) -> [UInt8] {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            throw Failure(
                .configInvalid, during: .config, detail: "The trust anchor file \(path) cannot be read.",
                evidence: [Evidence(.errno, code: errno, text: path)])
        }
        defer { _ = close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 4 << 20 {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(file, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            bytes += chunk.prefix(count)
        }
        return bytes
    }

    /// The file of OpenSSL's own store (`SSL_CERT_FILE` names another); nil where the store is a directory only, as on Debian.
    package static var storeFile: String? {
        CertificateLook.storePaths.first.flatMap { path in unsafe access(path, R_OK) == 0 ? path : nil }
    }

    /// What a verdict of the whole store has to be stamped with; taken before the store is read. Never waits.
    ///
    /// It is up to a second old: a store that changed in that second is asked once more.
    package func currentStamp() -> Stamp { Stamp(times: watch.times(of: paths)) }
}
