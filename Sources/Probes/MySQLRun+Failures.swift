// From failures of a MySQL connection to causes.
import Certificates
import Diagnosis
import MariaDB

extension MySQLRun {
    func end(of failure: MariaDBFailure, during phase: Phase) -> ProbeEnd {
        switch failure {
        case .wait(let wait): return end(of: wait, during: phase)
        case .unasked: return .cancelled
        case .socket(let code): return .failed(located(Classifier.errno(code, phase: phase, address: record.facts.address)))
        case .closed(let bytes):
            var failure = Classifier.closed(phase: phase)
            if !bytes.isEmpty { failure.evidence.append(Self.first(bytes)) }
            return .failed(located(failure))
        case .greeting(.refused(let refusal), _):
            var failure = Classifier.mysql(
                number: refusal.number, sqlState: refusal.sqlState, text: refusal.text, phase: phase, context: context(sentToken: false))
            failure.evidence.append(Evidence(.agent, text: "said before TLS, so nobody vouches for it"))
            return .failed(failure)
        case .greeting(.version(let version), let bytes):
            return .failed(
                Failure(
                    .peerNotDatabase, during: phase, detail: "The server speaks version \(version) of the protocol, which ended in 1998.",
                    evidence: [Self.first(bytes)]))
        case .greeting(.foreign, let bytes):
            return .failed(located(Failure(.peerNotDatabase, during: phase, evidence: [Self.first(bytes)])))
        case .unable(let what):
            return .failed(
                located(
                    Failure(
                        .tlsNotNegotiated, during: phase, detail: "The peer cannot do what a login with a token needs; nothing was sent.",
                        evidence: [Evidence(.agent, text: what)])))
        case .certificate(let refusal):
            let failure = Classifier.verify(
                code: refusal.code, host: target.host, certificate: refusal.certificate, now: .now, text: refusal.text)
            return .failed(failure ?? Failure(.tlsUntrustedIssuer, during: .tls, evidence: [Evidence(.openssl, text: refusal.text)]))
        case .library(let error):
            let failure = Classifier.mysql(
                number: error.number, sqlState: error.sqlState, text: error.text, phase: phase, context: context(sentToken: error.sentToken)
            )
            return .failed(failure)
        case .authentication(let plugin, let answer): return .failed(otherAuthentication(plugin, answer, phase))
        case .turnedAway(let plugin, let answer):
            return .failed(
                Classifier.mysqlTurnedAway(
                    plugin, number: answer?.number, sqlState: answer?.sqlState, text: answer?.text, phase: phase,
                    context: context(sentToken: true)))
        case .violation(let what, let bytes):
            let evidence = bytes.isEmpty ? Evidence(.agent, text: what) : Evidence(.bytes, code: hex(bytes.prefix(16)), text: what)
            return .failed(Failure(.protocolViolation, during: phase, evidence: [evidence]))
        case .budget(let count): return Self.excess(of: count, limit: MariaDBConnection.byteBudget, during: phase)
        case .unusable(let failure): return .failed(failure)
        }
    }

    /// The server wanted something else than the token. What it said to an answer without a password tells whether it knows the name.
    private func otherAuthentication(_ plugin: String?, _ answer: MariaDBError?, _ phase: Phase) -> Failure {
        guard let plugin else {
            return Failure(
                .authMethodUnexpected, during: phase,
                detail: "The server lets the user in without asking for anything, so the token was not tested.",
                evidence: [Evidence(.agent, text: "login without a request for the token")])
        }
        return Classifier.mysqlOtherPlugin(
            plugin, number: answer?.number, sqlState: answer?.sqlState, text: answer?.text, phase: phase, context: context(sentToken: false)
        )
    }

    func context(sentToken: Bool) -> MySQLContext {
        MySQLContext(
            user: target.user ?? "", database: target.database, port: target.port, sentToken: sentToken, claims: token?.claims, now: .now,
            prediction: prediction, host: target.host)
    }

    private static func first(_ bytes: [UInt8]) -> Evidence {
        Evidence(.bytes, code: hex(bytes.prefix(16)), text: "first bytes of the peer")
    }
}
