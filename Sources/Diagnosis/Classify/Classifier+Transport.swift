// Causes of what the operating system, the resolver, the clock and OpenSSL report.

extension Classifier {
    // MARK: errno

    /// - Parameter address: where the connection went, for numbers that mean something else on the host itself.
    package static func errno(_ code: Int32, phase: Phase, address: String? = nil) -> Failure {
        let name = errnoNames[code]
        let evidence = Evidence(.errno, code: code, text: name?.text ?? "error number of the system")
        func failure(_ cause: Cause, _ detail: String? = nil) -> Failure {
            Failure(cause, during: phase, detail: detail, evidence: [evidence])
        }
        switch name?.kind {
        case .refused: return failure(.tcpRefused)
        case .timedOut:
            // On an open session it is the end of it, not a slow answer.
            if phase == .query || phase == .privileges { return closed(phase: phase, evidence: evidence) }
            var silent = deadline(phase: phase)
            silent.evidence = [evidence]
            return silent
        case .unreachable: return failure(.tcpUnreachable)
        case .denied: return failure(.tcpUnreachable, "A policy of this host does not let the agent connect.")
        case .ended: return closed(phase: phase, evidence: evidence)
        case .noLocalAddress:
            // On loopback it is an address mistake (nothing has that address here), elsewhere ports have run out.
            let isLoopback = address.map { $0 == "::1" || $0 == "localhost" || $0.hasPrefix("127.") } ?? false
            return isLoopback
                ? failure(.tcpRefused, "The address is one of this host itself, where nothing can be reached under it.")
                : failure(.probeInternal, "No local port or address is left for a new connection.")
        case .exhausted: return failure(.probeInternal, "This host has run out of something that a connection needs.")
        case nil: return failure(phase == .tcp ? .tcpUnreachable : .unclassified)
        }
    }

    private enum ErrnoKind { case refused, timedOut, unreachable, denied, ended, noLocalAddress, exhausted }

    // Source: Linux, include/uapi/asm-generic/errno.h and errno-base.h.
    private static let errnoNames: [Int32: (text: String, kind: ErrnoKind)] = [
        1: ("EPERM, operation not permitted", .denied), 12: ("ENOMEM, out of memory", .exhausted),
        13: ("EACCES, permission denied", .denied), 23: ("ENFILE, too many open files on this host", .exhausted),
        24: ("EMFILE, too many open files in this process", .exhausted), 32: ("EPIPE, broken pipe", .ended),
        97: ("EAFNOSUPPORT, address family not supported here", .unreachable),
        99: ("EADDRNOTAVAIL, cannot assign requested address", .noLocalAddress),
        100: ("ENETDOWN, network is down", .unreachable), 101: ("ENETUNREACH, network is unreachable", .unreachable),
        103: ("ECONNABORTED, connection aborted", .ended), 104: ("ECONNRESET, connection reset by peer", .ended),
        105: ("ENOBUFS, no buffer space", .exhausted), 110: ("ETIMEDOUT, connection timed out", .timedOut),
        111: ("ECONNREFUSED, connection refused", .refused), 112: ("EHOSTDOWN, host is down", .unreachable),
        113: ("EHOSTUNREACH, no route to host", .unreachable),
    ]

    // MARK: the peer ends the connection

    /// A connection that ended (end of stream, reset, broken pipe) without a word, by how far it had got.
    package static func closed(phase: Phase, evidence: Evidence = Evidence(.agent, text: "the peer closed the connection")) -> Failure {
        switch phase {
        case .tls: Failure(.tlsHandshakeAborted, during: phase, evidence: [evidence])
        case .login:
            Failure(
                .serverUnavailable, during: phase, certainty: .likely,
                detail: "The server ended the connection during the login without giving a reason.", evidence: [evidence])
        case .query, .privileges: Failure(.connectionLost, during: phase, evidence: [evidence])
        case .token: Failure(.identityEndpointUnreachable, during: phase, evidence: [evidence])
        case .config, .dns, .tcp, .negotiate, .internal: Failure(.tcpReset, during: phase, evidence: [evidence])
        }
    }

    // MARK: deadlines

    /// The probe's deadline, or a phase's share of it, passed.
    /// - Parameter after: how long this phase had waited.
    package static func deadline(phase: Phase, after: Duration? = nil) -> Failure {
        let cause: Cause =
            switch phase {
            case .dns: .dnsResolverError
            case .tcp: .tcpTimeout
            case .tls: .tlsHandshakeAborted
            case .query, .privileges: .queryTimeout
            case .config, .token, .negotiate, .login, .internal: .probeDeadline
            }
        let waited = after.map { " for " + Span.short($0) } ?? " until the deadline"
        return Failure(cause, during: phase, evidence: [Evidence(.agent, text: "no answer\(waited)")])
    }

    // MARK: c-ares

    /// - Parameters:
    ///   - code: the status of c-ares (`ARES_E…`).
    ///   - name: the name that was asked for.
    ///   - servers: who was asked, for the evidence.
    package static func ares(code: Int32, name: String, text: String? = nil, servers: [String] = []) -> Failure {
        let row = aresRows[code]
        let asked = servers.isEmpty ? "" : " (asked: \(servers.joined(separator: ", ")))"
        let evidence = Evidence(.ares, code: code, text: "\(text ?? row?.text ?? "status of the resolver library"): \(name)\(asked)")
        return Failure(row?.cause ?? .dnsResolverError, during: .dns, detail: row?.detail, evidence: [evidence])
    }

    // Source: c-ares, include/ares.h, ares_status_t.
    private static let aresRows: [Int32: (text: String, cause: Cause, detail: String?)] = [
        1: ("ENODATA", .dnsNotFound, "The name exists, but has no address."),
        2: ("EFORMERR, the server did not understand the question", .dnsResolverError, nil),
        3: ("ESERVFAIL, the server failed", .dnsResolverError, nil),
        4: ("ENOTFOUND, no such name", .dnsNotFound, nil),
        5: ("ENOTIMP, the server does not know this kind of question", .dnsResolverError, nil),
        6: ("EREFUSED, the server refuses to answer", .dnsResolverError, "The DNS server refuses to answer this client."),
        7: ("EBADQUERY", .configInvalid, "The host name cannot be asked for."),
        8: ("EBADNAME", .configInvalid, "The host name is not a valid name."),
        9: ("EBADFAMILY", .probeInternal, nil),
        10: ("EBADRESP, the answer is malformed", .dnsResolverError, "The DNS server's answer is malformed."),
        11: ("ECONNREFUSED, nothing answers at the DNS servers", .dnsResolverError, "Nothing listens at the configured DNS servers."),
        12: ("ETIMEOUT, no answer in time", .dnsResolverError, nil),
        13: ("EOF", .dnsResolverError, nil),
        14: ("EFILE, the resolver's configuration cannot be read", .dnsResolverError, "The resolver's configuration cannot be read."),
        15: ("ENOMEM, out of memory", .probeInternal, nil),
        16: ("EDESTRUCTION, the resolver was shut down", .probeInternal, nil),
        17: ("EBADSTR", .configInvalid, "The host name is not a valid name."),
        18: ("EBADFLAGS", .probeInternal, nil),
        19: ("ENONAME", .dnsNotFound, nil),
        20: ("EBADHINTS", .probeInternal, nil),
        21: ("ENOTINITIALIZED", .probeInternal, nil),
        24: ("ECANCELLED", .probeInternal, nil),
        25: ("ESERVICE", .configInvalid, nil),
        26: ("ENOSERVER, no DNS server is configured", .dnsResolverError, "No DNS server is configured on this host."),
    ]

    // MARK: OpenSSL's verification

    /// Names the reason that libpq hides behind `certificate verify failed`.
    /// - Parameters:
    ///   - code: `X509_V_ERR_…`; 0 is success.
    ///   - host: the name the certificate had to be for.
    /// - Returns: nil for 0.
    package static func verify(
        code: Int, host: String, certificate: CertificateFacts? = nil, now: Timestamp? = nil, text: String? = nil, phase: Phase = .tls
    ) -> Failure? {
        guard code != 0 else { return nil }
        let row = verifyRows[code]
        var detail = row?.detail
        switch (code, certificate) {
        case (10, let seen?):
            detail = "The certificate ended \(seen.notAfter.description)\(now.map { ", it is now \($0.description) here" } ?? "")."
        case (9, let seen?):
            detail = "The certificate begins \(seen.notBefore.description)\(now.map { ", it is now \($0.description) here" } ?? "")."
        case (62, let seen?), (64, let seen?):
            detail = "The certificate is for \(seen.names.prefix(4).joined(separator: ", ")), not for \(host)."
        case (18, let seen?), (19, let seen?), (20, let seen?), (21, let seen?): detail = "The issuer \(seen.issuer) is not trusted here."
        default: break
        }
        var evidence = [Evidence(.verify, code: code, text: text ?? row?.text ?? "verification of the certificate failed")]
        if let certificate { evidence.append(self.evidence(of: certificate)) }
        return Failure(row?.cause ?? .tlsUntrustedIssuer, during: phase, detail: detail, evidence: evidence)
    }

    /// What was seen of a certificate, as one line of evidence.
    package static func evidence(of certificate: CertificateFacts) -> Evidence {
        let names = certificate.names.prefix(4).joined(separator: " ")
        let span = "\(certificate.notBefore.description) to \(certificate.notAfter.description)"
        return Evidence(.certificate, text: "\(certificate.subject), issued by \(certificate.issuer), \(span), for \(names)")
    }

    // Source: OpenSSL 3, x509_vfy.h, X509_V_ERR_*.
    private static let verifyRows: [Int: (text: String, cause: Cause, detail: String?)] = [
        2: ("an issuer's certificate is missing", .tlsUntrustedIssuer, nil),
        7: ("a signature in the chain does not verify", .tlsUntrustedIssuer, nil),
        9: ("not yet valid", .tlsCertValidity, nil),
        10: ("expired", .tlsCertValidity, nil),
        18: ("self-signed certificate", .tlsUntrustedIssuer, "The server shows a certificate that it signed itself."),
        19: ("self-signed certificate in the chain", .tlsUntrustedIssuer, "The chain ends in a root that is not trusted here."),
        20: ("no issuer found on this host", .tlsUntrustedIssuer, nil),
        21: ("first certificate of the chain cannot be verified", .tlsUntrustedIssuer, nil),
        22: ("chain too long", .tlsUntrustedIssuer, nil),
        23: ("revoked", .tlsUntrustedIssuer, "The certificate was revoked."),
        24: ("an issuer is not an authority", .tlsUntrustedIssuer, nil),
        26: ("wrong purpose", .tlsUntrustedIssuer, "The certificate is not meant for servers."),
        27: ("root is not trusted for this purpose", .tlsUntrustedIssuer, nil),
        28: ("root is rejected for this purpose", .tlsUntrustedIssuer, nil),
        62: ("host name mismatch", .tlsNameMismatch, nil),
        64: ("address mismatch", .tlsNameMismatch, nil),
        66: ("key of the server too weak", .tlsUntrustedIssuer, "A key in the chain is too weak for this host's policy."),
        67: ("key of an issuer too weak", .tlsUntrustedIssuer, "A key in the chain is too weak for this host's policy."),
        68: ("digest of an issuer too weak", .tlsUntrustedIssuer, "A digest in the chain is too weak for this host's policy."),
    ]
}
