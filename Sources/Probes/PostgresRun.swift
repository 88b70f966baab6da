// One run of the PostgreSQL probe, phase by phase; one login and no hidden retry.
import Certificates
import Diagnosis
import Postgres
import Readiness
import Synchronization

struct PostgresRun: SteppedRun {
    let probe: PostgresProbe
    let run: ProbeRun
    let place: GatePlace
    var record: ProbeRecord
    var token: AccessToken?

    init(probe: PostgresProbe, run: ProbeRun) {
        self.probe = probe
        self.run = run
        self.place = GatePlace(run)
        self.record = ProbeRecord(check: probe.id, unasked: probe.target.privileges.isEmpty ? [.privileges] : [])
    }

    mutating func perform() async throws(ProbeEnd) -> Observation.Outcome {
        _ = try await acquireToken()
        let addresses = try await resolve()
        let connection = try await connect(to: addresses)
        defer { place.leave() }
        try await enterGate()
        let session = try await secure(connection, at: record.facts.address ?? target.host)
        guard run.depth == .query else { return .partial(.loginPaused) }
        try await login(session)
        try await ask(session)
        try await askPrivileges(session)
        return .succeeded
    }

    // MARK: tcp, negotiate

    /// Connects, and asks for TLS.
    mutating func connect(to address: String, by deadline: Deadline) async throws(ProbeEnd) -> PostgresConnection {
        record.enter(.tcp)
        record.facts.address = address
        let anchors: AnchorFile
        do {
            // A server that is seen for the first time gets an empty file, which is filled before the handshake.
            if let known = probe.anchors.file { anchors = known } else { anchors = try AnchorFile() }
        } catch {
            throw .failed(error)
        }
        let connection: PostgresConnection
        do {
            connection = try PostgresConnection(endpoint(address, anchors), token: run.depth == .query ? token?.secret : nil)
            try await connection.connectTCP(on: tools.reactor, until: deadline)
        } catch {
            throw end(of: error, during: .tcp)
        }
        record.enter(.negotiate)
        do {
            try await connection.negotiate(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .negotiate)
        }
        record.leave()
        return connection
    }

    private func endpoint(_ address: String, _ anchors: AnchorFile) -> PostgresEndpoint {
        PostgresEndpoint(
            host: target.host, address: address, port: target.port, database: target.database, user: target.user ?? "", anchors: anchors,
            applicationName: tools.applicationName, statementTimeout: max(500, min(5000, run.deadline.remainingMilliseconds)))
    }

    // MARK: tls

    /// Shakes hands; when the verification fails, looks for the reason without a token, and starts over once when the store vouches for an
    /// anchor that was not in use.
    private mutating func secure(_ connection: PostgresConnection, at address: String) async throws(ProbeEnd) -> PostgresConnection {
        record.enter(.tls)
        if connection.anchors.isEmpty { try await findAnchor(at: address, filling: connection.anchors) }
        do {
            try await connection.startTLS(on: tools.reactor, until: run.deadline)
            note(connection)
            return connection
        } catch {
            guard case .library(let refusal) = error, refusal.isCertificateRefusal else { throw end(of: error, during: .tls) }
            let stamp = probe.anchors.currentStamp()
            // Also when nothing can be seen, it is known that the certificate was refused.
            guard let view = try? await look(at: address) else { throw Task.isCancelled ? .cancelled : end(of: error, during: .tls) }
            try adopt(anchorOf: view, vouchedAt: stamp)
        }
        record.reopen(.tcp)
        let second = try await connect(to: address, by: run.deadline)
        record.enter(.tls)
        // The store changed since it vouched, so it is asked again.
        if second.anchors.isEmpty { try await findAnchor(at: address, filling: second.anchors) }
        do {
            try await second.startTLS(on: tools.reactor, until: run.deadline)
        } catch {
            throw end(of: error, during: .tls)
        }
        note(second)
        return second
    }

    /// Lets the whole store find the anchor of a server that is seen for the first time. What this handshake meets, the real one would.
    private mutating func findAnchor(at address: String, filling file: AnchorFile) async throws(ProbeEnd) {
        let view: CertificateView
        let stamp = probe.anchors.currentStamp()
        do {
            view = try await look(at: address)
        } catch {
            switch error {
            case .wait(let wait): throw end(of: wait, during: .tls)
            case .errno(let code): throw .failed(located(Classifier.errno(code, phase: .tls, address: address)))
            case .closed: throw .failed(located(Classifier.closed(phase: .tls)))
            case .refusedTLS(let byte):
                throw end(of: .negotiation([byte], text: "server does not support SSL, but SSL was required"), during: .tls)
            case .stuffed(let bytes):
                throw end(
                    of: .violation(bytes, text: "bytes in the clear between the agreement on TLS and the handshake"), during: .negotiate)
            case .openssl(_, let reason):
                throw .failed(Classifier.libpq(text: "SSL error: \(reason)", phase: .tls, context: context(usedPassword: false)))
            }
        }
        try adopt(anchorOf: view, vouchedAt: stamp, filling: file)
    }

    /// Takes the anchor over that the whole store found. **Throws**: what is wrong with the certificate.
    private mutating func adopt(
        anchorOf view: CertificateView, vouchedAt stamp: TrustAnchors.Stamp, filling file: AnchorFile? = nil
    ) throws(ProbeEnd) {
        record.facts.certificate = view.certificate
        record.facts.tlsVersion = view.tlsVersion
        let verdict = Classifier.verify(
            code: view.verifyCode, host: target.host, certificate: view.certificate, now: .now, text: view.verifyText)
        if var verdict {
            verdict.evidence.append(Evidence(.agent, text: "seen in a second handshake, made without a token"))
            throw .failed(verdict)
        }
        guard let anchor = view.anchorPEM else {
            throw .failed(Failure(.probeInternal, during: .tls, detail: "The verified chain has no anchor that can be kept."))
        }
        do {
            try probe.anchors.adopt(anchorPEM: anchor, vouchedAt: stamp, filling: file)
        } catch {
            throw .failed(error)
        }
    }

    /// Source: PostgreSQL documentation, "Message Formats", SSLRequest: length 8, code 80877103; the answer to it is one byte.
    private func look(at address: String) async throws(LookFailure) -> CertificateView {
        try await tools.look.look(
            at: address, port: target.port, name: target.host, caFile: probe.anchors.caFile,
            preamble: [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F], reply: UInt8(ascii: "S"), until: run.deadline)
    }

    private mutating func note(_ connection: PostgresConnection) {
        record.leave()
        guard let session = connection.session else { return }
        let certificate = session.certificate(known: probe.knownCertificate.withLock { $0 })
        probe.knownCertificate.withLock { $0 = certificate }
        record.facts.certificate = certificate
        record.facts.tlsVersion = session.version
        record.facts.tlsCipher = session.cipher
    }
}
