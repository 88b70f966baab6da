// From failures of a PostgreSQL connection to causes.
import Certificates
import Diagnosis
import Postgres

extension PostgresRun {
    func end(of failure: PostgresFailure, during phase: Phase) -> ProbeEnd {
        switch failure {
        case .wait(let wait): return end(of: wait, during: phase)
        case .socket(let code): return .failed(located(Classifier.errno(code, phase: phase, address: record.facts.address)))
        case .closed: return .failed(located(Classifier.closed(phase: phase)))
        case .negotiation(let bytes, let text):
            var failure = Classifier.libpq(text: text, phase: phase, context: context(usedPassword: false))
            failure.evidence.append(Evidence(.bytes, code: hex(bytes), text: "first bytes of the answer to the request for TLS"))
            return .failed(failure)
        case .authentication(let request):
            return .failed(
                Failure(
                    .authMethodUnexpected, during: phase,
                    detail: request.map {
                        "The server asks for \($0) instead of the token in clear text inside TLS; the token was not sent."
                    }
                        ?? "The server lets the user in without asking for anything, so the token was not tested.",
                    evidence: [Evidence(.agent, code: request?.code ?? 0, text: "authentication request of the server")]))
        case .violation(let bytes, let text):
            return .failed(Failure(.protocolViolation, during: phase, evidence: [Evidence(.bytes, code: hex(bytes), text: text)]))
        case .budget(let count): return Self.excess(of: count, limit: PostgresConnection.byteBudget, during: phase)
        case .library(let error):
            let context = context(usedPassword: error.usedPassword)
            guard let sqlState = error.sqlState else {
                let failure = Classifier.connect(text: error.text, phase: phase, context: context)
                return .failed(phase == .tcp ? located(failure) : failure)
            }
            return .failed(Classifier.postgres(sqlState: sqlState, text: error.text, phase: phase, context: context))
        }
    }

    func context(usedPassword: Bool) -> PostgresContext {
        PostgresContext(
            user: target.user ?? "", database: target.database, port: target.port, usedPassword: usedPassword, claims: token?.claims,
            tokenLength: token?.length, now: .now, prediction: prediction, host: target.host)
    }
}
