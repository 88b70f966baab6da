// Stands beside another library's TLS handshake: sets what has to be verified, and keeps what was seen.
//
// For libmariadb, which knows neither SNI nor a shared store, tells no verification result beyond a sentence and frees its session when the
// handshake fails. The library lends its session before the handshake; everything else comes by OpenSSL's own callbacks.
import COpenSSL
package import Diagnosis
import Glibc
import Synchronization

/// What OpenSSL found wrong with a certificate.
package struct CertificateRefusal: Sendable, Hashable {
    /// Source: `x509_vfy.h`, `X509_V_ERR_…`.
    package var code: Int
    package var text: String
    package var certificate: CertificateFacts?
}

/// One handshake of one session.
///
/// **Isolation**: unchecked because it belongs to the one thread that runs the session, from ``attach(to:)`` until the session is freed; it
/// has to outlive the session.
@safe package final class HandshakeWatch: @unchecked Sendable {
    private let name: String
    private let store: TrustStore
    /// Most bytes that may be read after the handshake.
    private let byteLimit: Int
    private let end = Mutex<ContinuousClock.Instant?>(nil)
    /// When the handshake was complete, chain and name verified. Safe to ask from any thread.
    package var finished: ContinuousClock.Instant? { end.withLock { $0 } }
    /// What was wrong with the certificate.
    package private(set) var refusal: CertificateRefusal?
    /// Bytes read after the handshake when the limit ended the reading.
    package private(set) var excess: Int?
    /// Whether the peer said that it would send no more.
    package private(set) var peerHasClosed = false
    private var isAttached = false
    private var base: UInt64 = 0

    package init(name: String, store: TrustStore, byteLimit: Int) {
        self.name = name
        self.store = store
        self.byteLimit = byteLimit
    }

    /// Whether the peer is who it should be: the one condition under which a token may leave.
    package var isVerified: Bool { finished != nil && refusal == nil }

    /// Drops what earlier sessions left in this thread's queue of errors: OpenSSL would take it for the cause of whatever comes next, and a
    /// library that shares its threads would report one server's failure for another. **Source**: SSL_get_error(3).
    package static func forgetErrors() { ERR_clear_error() }

    /// Sets store, name, SNI, TLS 1.2 and the callbacks; later calls do nothing. - Returns: whether the session is ready.
    package func attach(to handle: UnsafeMutableRawPointer) -> Bool {
        if isAttached { return true }
        let session = OpaquePointer(handle)
        guard unsafe SSL_set_ex_data(session, Self.slot, Unmanaged.passUnretained(self).toOpaque()) == 1,
            let context = unsafe SSL_get_SSL_CTX(session), unsafe copenssl_set_session_minimum(session) == 1
        else { return false }
        unsafe SSL_CTX_set1_cert_store(context, store.store)
        let parameters = unsafe SSL_get0_param(session)
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1 {
            guard unsafe X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1, unsafe copenssl_set_name(session, name) == 1 else {
                return false
            }
        }
        unsafe SSL_set_verify(session, SSL_VERIFY_PEER, Self.verified)
        unsafe SSL_set_info_callback(session, Self.told)
        isAttached = true
        return true
    }

    private static let slot = copenssl_session_slot()

    private static func watch(of session: OpaquePointer?) -> HandshakeWatch? {
        guard let session = unsafe session, let pointer = unsafe SSL_get_ex_data(session, slot) else { return nil }
        return unsafe Unmanaged<HandshakeWatch>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Runs once a certificate of the chain; says yes only where OpenSSL did.
    private static let verified: @convention(c) (Int32, OpaquePointer?) -> Int32 = { isFine, context in
        guard isFine != 1 else { return 1 }
        guard let context = unsafe context, let watch = unsafe watch(of: copenssl_verifying_session(context)) else { return 0 }
        let code = unsafe X509_STORE_CTX_get_error(context)
        // The first complaint ends the handshake, so it is also the only one.
        watch.refusal = unsafe CertificateRefusal(
            code: Int(code), text: String(cString: X509_verify_cert_error_string(Int(code))),
            certificate: CertificateReader.facts(verifying: context))
        return 0
    }

    private static let told: @convention(c) (OpaquePointer?, Int32, Int32) -> Void = { session, place, _ in
        if place & SSL_CB_READ_ALERT == SSL_CB_READ_ALERT, let watch = unsafe watch(of: session) { watch.peerHasClosed = true }
        // Tickets that follow in TLS 1.3 tell of a handshake once more.
        guard place & SSL_CB_HANDSHAKE_DONE != 0, let session = unsafe session, let watch = unsafe watch(of: session),
            watch.finished == nil,
            unsafe SSL_get_verify_result(session) == X509_V_OK, unsafe SSL_get0_peer_certificate(session) != nil
        else { return }
        watch.end.withLock { $0 = ContinuousClock.now }
        watch.base = unsafe copenssl_bytes_read(session)
        unsafe copenssl_check_reads(session, checkRead, Unmanaged.passUnretained(watch).toOpaque())
    }

    /// Ends the reading at the limit, whatever the library is doing. Source: BIO_set_callback_ex(3).
    private static let checkRead: copenssl_read_check = { bio, operation, _, _, _, _, result, _ in
        guard operation == BIO_CB_READ, let bio = unsafe bio, let argument = unsafe copenssl_check_argument(bio) else { return Int(result) }
        let watch = unsafe Unmanaged<HandshakeWatch>.fromOpaque(argument).takeUnretainedValue()
        let count = Int(clamping: unsafe BIO_number_read(bio) - watch.base)
        guard count > watch.byteLimit else { return Int(result) }
        watch.excess = count
        return -1
    }
}
