// A look through a library's window at its TLS session: libpq lends its handle and stays its owner.
import COpenSSL
package import Diagnosis

/// What can be learnt from the TLS session of another library.
///
/// **Isolation**: used between two calls into the library that owns the session, never beside one.
@safe package struct PeerSession: ~Copyable {
    private let session: OpaquePointer

    /// - Parameter handle: an `SSL *` that its owner keeps alive while this value is used.
    package init?(borrowing handle: UnsafeMutableRawPointer?) {
        guard let handle = unsafe handle else { return nil }
        unsafe session = OpaquePointer(handle)
    }

    /// The first bytes of what the peer sent and nobody has read, without reading them.
    ///
    /// **Shape**: at most one TLS record, so fewer bytes than asked for when the record is short; empty when nothing is there yet;
    /// nil when the connection ended.
    package func peek(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let seen = unsafe bytes.withUnsafeMutableBufferPointer { unsafe copenssl_peek(session, $0.baseAddress, Int32($0.count)) }
        return seen < 0 ? nil : Array(bytes.prefix(Int(seen)))
    }

    /// Bytes read from the socket since the connection began. **Unit**: bytes, TLS overhead included.
    package var bytesRead: Int { Int(clamping: unsafe copenssl_bytes_read(session)) }

    package var version: String { unsafe String(cString: SSL_get_version(session)) }

    package var cipher: String? {
        guard let cipher = unsafe SSL_get_current_cipher(session), let name = unsafe SSL_CIPHER_get_name(cipher) else { return nil }
        return unsafe String(cString: name)
    }

    /// Facts of the peer's certificate. `known` is returned unchanged when the leaf is still the same, because reading all names anew
    /// for every probe costs more than the digest.
    package func certificate(known: CertificateFacts?) -> CertificateFacts? {
        if let known, unsafe CertificateReader.leafDigest(of: session) == known.sha256 { return known }
        return unsafe CertificateReader.facts(of: session)
    }
}
