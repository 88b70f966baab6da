// From failures of the TDS client to causes.
import Certificates
import Diagnosis
import Synchronization
import TDS

extension AzureSQLRun {
    mutating func end(of failure: TDSFailure, from start: ContinuousClock.Instant, _ addresses: [String]) -> ProbeEnd {
        // The time that passed was ours.
        guard !place.isAwaited else { return .cancelled }
        note(failure.timings, from: start, failed: failure)
        note(failure.facts, addresses, refused: failure.certificate)
        if record.facts.address == nil {
            record.facts.address = failure.hop == 0 ? Self.host(of: failure.address) ?? addresses.first : addresses.first
        }
        return end(of: failure, during: Self.phase(failure.phase))
    }

    func end(of failure: TDSFailure, during phase: Phase) -> ProbeEnd {
        guard failure.cause != .cancelled else { return .cancelled }
        if failure.hop == 0, failure.phase == .tcp, !failure.earlier.isEmpty { return .failed(everywhere(failure, phase)) }
        let seen = classified(failure, phase)
        guard failure.hop > 0, !failure.cause.isServersWord, seen.cause != .probeInternal else { return .failed(told(seen, failure)) }
        return .failed(told(redirected(seen, failure), failure))
    }

    /// To a person both ends of the connection are told: support finds it by them. History has no use for them, as no two are the same.
    func told(_ seen: Failure, _ failure: TDSFailure) -> Failure {
        guard run.explains, let here = failure.facts?.localAddress, let there = failure.facts?.remoteAddress else { return seen }
        var seen = seen
        seen.evidence.append(Evidence(.address, text: "the connection went from \(here) to \(there)"))
        return seen
    }

    /// No address of the name answers: the first one's trouble is the cause, and each has its own evidence.
    private func everywhere(_ failure: TDSFailure, _ phase: Phase) -> Failure {
        let all = (failure.earlier + [failure]).map { classified($0, phase) }
        guard var first = all.first(where: { $0.cause != .probeInternal }) else { return all[0] }
        first.evidence = all.compactMap(\.evidence.first)
        return first
    }

    /// The gateway was reached; what it sends its clients to was not. All of that is part of the login, its steps are facts of their own.
    private func redirected(_ seen: Failure, _ failure: TDSFailure) -> Failure {
        let place = failure.facts?.redirectedTo ?? record.facts.redirectedTo ?? failure.address ?? "another server"
        var seen = seen
        seen.phase = .login
        seen.evidence.append(Evidence(.agent, text: "after the gateway's redirect to \(place)"))
        guard failure.phase == .tcp || failure.phase == .name else { return seen }
        // A probe that came late to the second server says nothing of it.
        let tried = failure.timings.filter { $0.hop > 0 && $0.phase == failure.phase }.reduce(Duration.zero) { $0 + $1.duration }
        if failure.cause == .timedOut, tried < Self.shortestTry {
            return Failure(
                .probeDeadline, during: .login,
                detail:
                    "\(Span.short(tried)) were left for the way to \(place), where the gateway sends its clients: too little to tell if it is open.",
                evidence: seen.evidence)
        }
        // The name service is one's own, whatever name it was asked for.
        if failure.phase == .name, failure.cause != .nameNotFound { return seen }
        let why = failure.phase == .name ? "whose name leads nowhere here" : "which cannot be reached from here"
        return Failure(
            .redirectBlocked, during: .login, detail: "The gateway answers and sends its clients to \(place), \(why).",
            evidence: seen.evidence)
    }

    /// Who was not reached in less time than this may have been on the way: a lost first packet is sent again after a second.
    /// **Source**: RFC 6298, section 2.
    private static let shortestTry = Duration.seconds(2)

    private func classified(_ failure: TDSFailure, _ phase: Phase) -> Failure {
        let said = Evidence(.agent, text: failure.detail)
        switch failure.cause {
        case .cancelled: return Failure(.probeInternal, during: phase, evidence: [said])
        case .nameNotFound: return Failure(.dnsNotFound, during: .dns, evidence: [said])
        case .unreachable where failure.phase == .name: return Failure(.dnsResolverError, during: .dns, evidence: [said])
        case .refused, .unreachable, .closed:
            if let code = failure.errno {
                return located(
                    Classifier.errno(code, phase: phase, address: Self.host(of: failure.address) ?? record.facts.address), failure)
            }
            return located(Classifier.closed(phase: phase, evidence: said), failure)
        case .timedOut: return located(Classifier.deadline(phase: phase, after: ContinuousClock.now - record.begin), failure)
        case .notSQLServer: return located(Failure(.peerNotDatabase, during: phase, evidence: [bytes(failure)]), failure)
        case .encryptionRefused:
            return located(Failure(.tlsNotNegotiated, during: phase, detail: failure.detail, evidence: [said]), failure)
        case .certificateUntrusted, .certificateExpired, .certificateNameMismatch: return certificate(failure)
        case .tlsFailed:
            let isMismatch = ["PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "HANDSHAKE_FAILURE"].contains {
                failure.detail.contains($0)
            }
            return located(Failure(isMismatch ? .tlsProtocolMismatch : .tlsHandshakeAborted, during: .tls, evidence: [said]), failure)
        case .loginRefused, .requestFailed:
            return Classifier.azureSQL(failure.messages.map(Self.error), phase: phase, context: context(tenant: nil))
        case .redirectRefused: return Failure(.redirectRefused, during: .login, detail: failure.detail, evidence: [said])
        case .protocolViolation:
            return Failure(.protocolViolation, during: phase, detail: failure.detail, evidence: [bytes(failure)])
        case .tooLarge:
            return Failure(
                .protocolViolation, during: phase, detail: "The server sent more than a probe reads.",
                evidence: [said, Evidence(.agent, code: AzureSQLProbe.byteBudget, text: "bytes are the limit after the TLS handshake")])
        // An address as host name: the configuration can mend it.
        case .misuse:
            return Failure(phase == .dns ? .configInvalid : .probeInternal, during: phase, detail: failure.detail, evidence: [said])
        }
    }

    /// Says where it was: at the address that was tried, of this server or of the one behind its redirect.
    private func located(_ seen: Failure, _ failure: TDSFailure) -> Failure {
        guard let address = failure.address, let first = seen.evidence.first else {
            // Of the server behind a redirect nothing but its name may be known.
            return failure.hop == 0 ? located(seen) : seen
        }
        var seen = seen
        seen.evidence[0] = Evidence(first.kind, code: first.code, text: "\(address) \(first.text)")
        return seen
    }

    /// Without port and brackets.
    static func host(of address: String?) -> String? {
        address.flatMap { text in text.lastIndex(of: ":").map { text[..<$0].filter { $0 != "[" && $0 != "]" } } }
    }

    private func certificate(_ failure: TDSFailure) -> Failure {
        let seen = failure.certificate.flatMap(CertificateFacts.init(der:))
        // Source: OpenSSL 3, x509_vfy.h: 9 not yet valid, 10 expired, 18 self-signed, 20 no issuer, 62 host name.
        let code =
            switch failure.cause {
            case .certificateExpired: (seen?.notBefore ?? .now) > .now ? 9 : 10
            case .certificateNameMismatch: 62
            default: seen.map { $0.subject == $0.issuer } == true ? 18 : 20
            }
        let host = failure.hop == 0 ? target.host : failure.facts?.redirectedTo ?? "the server of the redirect"
        return Classifier.verify(code: code, host: host, certificate: seen, now: .now, text: failure.detail)
            ?? Failure(.tlsUntrustedIssuer, during: .tls, evidence: [Evidence(.agent, text: failure.detail)])
    }

    private func bytes(_ failure: TDSFailure) -> Evidence {
        failure.bytes.isEmpty
            ? Evidence(.agent, text: failure.detail) : Evidence(.bytes, code: hex(failure.bytes.prefix(16)), text: failure.detail)
    }

    static func error(_ message: TDSServerMessage) -> AzureSQLError {
        AzureSQLError(number: Int(message.number), state: Int(message.state), level: Int(message.class), text: message.text)
    }

    /// - Parameter tenant: whose tokens the server takes, where it was just asked; otherwise what it showed when it last let somebody in.
    func context(tenant: String?) -> AzureSQLContext {
        let ledger = tools.wakes.ledger(of: probe.id, on: target)
        let tenant = tenant ?? probe.memory.withLock(\.requiredTenant) ?? tools.lastGood(probe.id)?.tenant
        return AzureSQLContext(
            host: target.host, database: target.database, sentToken: true,
            isServerless: target.wake.expectsSleep(isServerless: isServerless),
            resumingFor: ledger.resumingFor(now: .now), idleFor: ledger.idleFor(now: .now), claims: token?.claims, now: .now,
            prediction: prediction, requiredTenant: tenant, lastGood: tools.lastGood(probe.id))
    }
}

extension TDSFailure {
    /// Whether the server may not speak strict TDS any more: it was moved, or its minimum was lowered.
    var isOfHandshake: Bool { hop == 0 && [.negotiate, .tls].contains(phase) && cause != .cancelled }
    /// Whether no login was sent.
    var isBeforeLogin: Bool { hop == 0 && [.name, .tcp, .negotiate, .tls].contains(phase) }
}

extension TDSFailure.Cause {
    /// Whether it is the server's answer, rather than the way to it.
    fileprivate var isServersWord: Bool { self == .loginRefused || self == .requestFailed || self == .redirectRefused }
}
