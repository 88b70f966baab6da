// A TLS handshake that carries no token and only looks: which certificate is shown, what is wrong with it, which anchor it ends in.
// Needed because libpq 15 says "certificate verify failed" for every reason and frees its session. It explains, it is no retry.
import CLinux
import COpenSSL
package import Diagnosis
import Glibc
package import Readiness

/// What a look at a server's certificate found.
package struct CertificateView: Sendable, Hashable {
    /// OpenSSL's verification result against the whole store and the name; 0 when all is well. Source: `x509_vfy.h`, `X509_V_ERR_…`.
    package var verifyCode: Int
    package var verifyText: String
    package var certificate: CertificateFacts?
    /// The anchor the chain ended in, PEM; nil unless verified.
    package var anchorPEM: [UInt8]?
    package var tlsVersion: String?
}

/// Looks at certificates without sending anything secret.
package struct CertificateLook: Sendable {
    private let reactor: Reactor

    package init(reactor: Reactor) { self.reactor = reactor }

    /// Connects, sends `preamble`, expects `reply`, shakes hands and closes.
    ///
    /// - Parameters:
    ///   - name: what the certificate has to be for, and the name sent as SNI unless numeric.
    ///   - caFile: anchors besides the system's store.
    ///   - preamble: what the protocol wants before TLS, with the one byte that says yes.
    /// **Throws**: `WaitFailure` as ``LookFailure/wait(_:)``, errno and OpenSSL's own errors as they came.
    package func look(
        at address: String, port: Int, name: String, caFile: String?, preamble: [UInt8], reply: UInt8, until deadline: Deadline
    ) async throws(LookFailure) -> CertificateView {
        let descriptor = unsafe clinux_connect(address, Int32(port))
        guard descriptor >= 0 else { throw .errno(-descriptor) }
        defer { _ = Glibc.close(descriptor) }
        try await wait(.write, descriptor, deadline)
        let code = clinux_socket_error(descriptor)
        guard code == 0 else { throw .errno(code) }
        // A few bytes on a fresh connection always fit the send buffer.
        let sent = unsafe preamble.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard sent == preamble.count else { throw .errno(errno) }
        try await wait(.read, descriptor, deadline)
        var answer = [UInt8](repeating: 0, count: 16)
        let received = unsafe answer.withUnsafeMutableBytes { unsafe Glibc.recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard received > 0 else { throw received == 0 ? .closed : .errno(errno) }
        guard answer[0] == reply else { throw .refusedTLS(answer[0]) }
        // Nothing may come in the clear between the answer and the handshake. Source: CVE-2021-23222.
        guard received == 1 else { throw .stuffed(Array(answer.prefix(received))) }
        return try await shakeHands(descriptor, name: name, caFile: caFile, until: deadline)
    }

    private func shakeHands(
        _ descriptor: Int32, name: String, caFile: String?, until deadline: Deadline
    ) async throws(LookFailure) -> CertificateView {
        guard let context = unsafe SSL_CTX_new(TLS_client_method()) else { throw .openssl(0, "no memory") }
        defer { unsafe SSL_CTX_free(context) }
        _ = unsafe copenssl_set_minimum(context)
        // The hashed directory is read lazily, one file a lookup; a missing store only means that nothing is trusted.
        _ = unsafe SSL_CTX_set_default_verify_paths(context)
        if let caFile, unsafe SSL_CTX_load_verify_locations(context, caFile, nil) != 1 {
            let (code, text) = Self.lastError()
            throw .openssl(code, "\(caFile): \(text)")
        }
        guard let session = unsafe SSL_new(context) else { throw .openssl(0, "no memory") }
        defer { unsafe SSL_free(session) }
        // Nothing is refused here, so that the certificate can be read; the verification runs all the same.
        unsafe SSL_set_verify(session, SSL_VERIFY_NONE, nil)
        let parameters = unsafe SSL_get0_param(session)
        if unsafe X509_VERIFY_PARAM_set1_ip_asc(parameters, name) != 1 {
            _ = unsafe X509_VERIFY_PARAM_set1_host(parameters, name, 0)
            _ = unsafe copenssl_set_name(session, name)
        }
        _ = unsafe SSL_set_fd(session, descriptor)
        while true {
            ERR_clear_error()
            let result = unsafe SSL_connect(session)
            if result == 1 { break }
            switch unsafe SSL_get_error(session, result) {
            case SSL_ERROR_WANT_READ: try await wait(.read, descriptor, deadline)
            case SSL_ERROR_WANT_WRITE: try await wait(.write, descriptor, deadline)
            case SSL_ERROR_SYSCALL, SSL_ERROR_ZERO_RETURN: throw errno == 0 ? .closed : .errno(errno)
            default:
                let (code, text) = Self.lastError()
                throw .openssl(code, text)
            }
        }
        let verify = unsafe SSL_get_verify_result(session)
        let view = unsafe CertificateView(
            verifyCode: verify, verifyText: String(cString: X509_verify_cert_error_string(verify)),
            certificate: CertificateReader.facts(of: session), anchorPEM: Self.anchor(of: session),
            tlsVersion: String(cString: SSL_get_version(session)))
        _ = unsafe SSL_shutdown(session)
        return view
    }

    private func wait(_ interest: Interest, _ descriptor: Int32, _ deadline: Deadline) async throws(LookFailure) {
        do {
            try await reactor.wait(for: interest, on: descriptor, until: deadline)
        } catch {
            throw .wait(error)
        }
    }

    private static func anchor(of session: OpaquePointer) -> [UInt8]? {
        guard let memory = unsafe copenssl_anchor(session) else { return nil }
        defer { unsafe BIO_free(memory) }
        var bytes: UnsafePointer<CChar>?
        let count = unsafe copenssl_memory(memory, &bytes)
        guard count > 0, let bytes = unsafe bytes else { return nil }
        return unsafe UnsafeRawBufferPointer(start: bytes, count: count).map { $0 }
    }

    private static func lastError() -> (code: Int, text: String) {
        var text = [CChar](repeating: 0, count: 256)
        let code = unsafe text.withUnsafeMutableBufferPointer { unsafe copenssl_error($0.baseAddress, $0.count) }
        return (Int(clamping: code), String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// Where the system's store lives: the file and the directory, by the standard variables or by OpenSSL's own word.
    /// Source: `X509_get_default_cert_file(3)`.
    static let storePaths: [String] = unsafe [copenssl_store_file(), copenssl_store_directory()].compactMap { path in
        unsafe path.map { unsafe String(cString: $0) }
    }
}

/// Why a look saw nothing.
package enum LookFailure: Error, Sendable, Hashable {
    case wait(WaitFailure)
    case errno(Int32)
    case closed
    /// The peer answered something else than yes to the wish for TLS.
    case refusedTLS(UInt8)
    /// Bytes came in the clear after the yes. **Shape**: at most 16, the yes first.
    case stuffed([UInt8])
    /// OpenSSL's packed error code and its reason.
    case openssl(Int, String)
}
