// The whole store of trust anchors as OpenSSL keeps it, read once and shared by many connections.
//
// For a client library that lets us at its session before the handshake (libmariadb): the store then costs nothing per connection, trust is
// that of the system plus the configured file, and nobody has to look for the anchor of a server first.
import COpenSSL
import Diagnosis
import Glibc

/// The system's store and one configured file.
///
/// **Isolation**: unchecked because OpenSSL guards the store itself (reference count and cache under its own lock).
@safe package final class TrustStore: @unchecked Sendable {
    let store: OpaquePointer

    /// **Throws**: `config_invalid` when the configured file cannot be used, `probe_internal` when there is no memory.
    init(caFile: String?) throws(Failure) {
        guard let store = unsafe X509_STORE_new() else {
            throw Failure(.probeInternal, during: .tls, detail: "No memory for trust anchors.")
        }
        unsafe self.store = store
        // A hashed directory is read lazily, one file a lookup; a missing store only means that nothing is trusted.
        _ = unsafe X509_STORE_set_default_paths(store)
        if let caFile, unsafe X509_STORE_load_locations(store, caFile, nil) != 1 {
            let code = errno
            var text = [CChar](repeating: 0, count: 256)
            let error = unsafe text.withUnsafeMutableBufferPointer { unsafe copenssl_error($0.baseAddress, $0.count) }
            let reason = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            throw Failure(
                .configInvalid, during: .config, detail: "The trust anchor file \(caFile) cannot be used.",
                evidence: [Evidence(.openssl, code: error, text: reason.isEmpty ? "error \(code) of the system" : reason)])
        }
        // What reading the store left behind belongs to nobody's connection.
        ERR_clear_error()
    }

    deinit { unsafe X509_STORE_free(store) }
}
