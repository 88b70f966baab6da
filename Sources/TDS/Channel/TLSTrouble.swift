// What NIOSSL and the operating system report, as failures of this client.

import NIOCore
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension TDSFailure {
    /// An error that came up through the channel in the given phase.
    init(channel error: any Error, during phase: TDSPhase, host: String, certificate: NIOSSLCertificate?) {
        switch error {
        case let failure as TDSFailure: self = failure
        case let wire as WireError: self.init(wire, during: phase)
        case let extra as NIOSSLExtraError where extra == .failedToValidateHostname || extra == .serverHostnameImpossibleToMatch:
            self.init(
                .certificateNameMismatch, during: .tls, "The certificate of the server is not made out to \(host). No token was sent.")
        case let system as IOError: self.init(system, during: phase)
        case let ssl as NIOSSLError: self.init(ssl, during: phase, certificate: certificate)
        case let ssl as BoringSSLError:
            self.init(phase == .tls ? .tlsFailed : .closed, during: phase, "TLS: \(ssl).")
        default: self.init(phase == .tls ? .tlsFailed : .closed, during: phase, "The connection broke: \(error).")
        }
        if phase == .tls, self.certificate == nil { self.certificate = try? certificate?.toDERBytes() }
    }

    private init(_ error: NIOSSLError, during phase: TDSPhase, certificate: NIOSSLCertificate?) {
        let text = "\(error)"
        guard text.contains("CERTIFICATE_VERIFY_FAILED") else {
            if case .uncleanShutdown = error, phase != .tls {
                self.init(.closed, during: phase, "The server closed the connection without a word.")
            } else if text.contains("EOF during handshake") {
                self.init(.closed, during: .tls, "The server closes the connection within the TLS handshake.")
            } else {
                self.init(.tlsFailed, during: .tls, "The TLS handshake failed: \(text).")
            }
            return
        }
        let now = time(nil)
        if let certificate, now > certificate.notValidAfter || now < certificate.notValidBefore {
            self.init(.certificateExpired, during: .tls, "The certificate of the server is not valid today. No token was sent.")
        } else {
            self.init(
                .certificateUntrusted, during: .tls,
                "The certificate of the server was issued by nobody whom this machine trusts. No token was sent.")
        }
    }

    init(_ error: IOError, during phase: TDSPhase) {
        let cause: Cause =
            switch error.errnoCode {
            case ECONNREFUSED: .refused
            case ECONNRESET, EPIPE: .closed
            case ETIMEDOUT: .timedOut
            default: phase == .tcp ? .unreachable : .closed
            }
        self.init(cause, during: phase, "The operating system reports: \(error).", errno: error.errnoCode)
    }
}
