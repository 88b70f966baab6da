// What the answers of an identity endpoint mean, as failures.
import Curl
import Diagnosis

/// Puts what ``Classifier`` says beside what only the asker knows: the endpoint, the parameter, the fault of a body.
///
/// No token, header or success body reaches a failure.
enum IdentityVerdict {
    /// Any status but 200.
    static func refused(
        _ reply: HTTPReply, by endpoint: ManagedIdentityEndpoint, naming selector: ManagedIdentitySelector
    ) -> Failure {
        asked(at: endpoint, naming: selector, classified(reply, by: endpoint, naming: selector))
    }

    /// Status 200 and not a token.
    static func unreadable(
        _ reply: HTTPReply, because fault: TokenReply.Fault, from endpoint: ManagedIdentityEndpoint,
        naming selector: ManagedIdentitySelector
    ) -> Failure {
        var failure = classified(reply, by: endpoint, naming: selector)
        failure.detail = "The identity endpoint answered with HTTP \(reply.status), but not with a token: \(fault.text)."
        return asked(at: endpoint, naming: selector, failure)
    }

    /// The endpoint says itself that it answered for another identity than the one it was asked for.
    static func otherIdentity(
        _ reply: TokenReply, than selector: ManagedIdentitySelector, at endpoint: ManagedIdentityEndpoint
    ) -> Failure? {
        guard case .clientID(let wanted) = selector, let seen = reply.clientID, seen.lowercased() != wanted.lowercased() else {
            return nil
        }
        return asked(
            at: endpoint, naming: selector,
            Failure(
                .identityClientIDWrong, during: .token,
                detail: "The endpoint was asked for the client id \(wanted) and answered with a token of \(seen).",
                evidence: [Evidence(.http, code: 200, text: "client_id \(seen)")]))
    }

    /// No complete answer.
    static func unreached(
        _ failure: CurlFailure, at endpoint: ManagedIdentityEndpoint, naming selector: ManagedIdentitySelector
    ) -> Failure {
        if failure.kind == .request, failure.code == 0 {
            return asked(
                at: endpoint, naming: selector,
                Failure(.configInvalid, during: .token, detail: "The request for a token cannot be sent: \(failure.text)."))
        }
        var verdict = Classifier.curl(
            code: Int(failure.code), text: endpoint.scrubbed(failure.text), source: endpoint.source, endpoint: endpoint.place)
        if failure.kind == .bodyTooLarge { verdict.detail = "The reply is longer than any token reply, so it was not read." }
        if let number = failure.systemError {
            verdict.evidence.append(Evidence(.errno, code: number, text: "the connection's own error"))
        }
        return asked(at: endpoint, naming: selector, verdict)
    }

    private static func classified(
        _ reply: HTTPReply, by endpoint: ManagedIdentityEndpoint, naming selector: ManagedIdentitySelector
    ) -> Failure {
        Classifier.identityReply(
            source: endpoint.source, status: reply.status,
            body: endpoint.scrubbed(String(decoding: reply.body.prefix(8192), as: UTF8.self)),
            server: reply.headers[.server].map(endpoint.scrubbed), contentType: reply.headers[.contentType].map(endpoint.scrubbed),
            selector: selector)
    }

    /// Adds where was asked and for whom; identifiers are no secrets.
    private static func asked(
        at endpoint: ManagedIdentityEndpoint, naming selector: ManagedIdentitySelector, _ failure: Failure
    ) -> Failure {
        var failure = failure
        let parameter = endpoint.parameter(for: selector).map { "\($0.name)=\($0.value)" } ?? "no identity named"
        failure.evidence.append(
            Evidence(.agent, text: "asked \(endpoint.place), api-version \(endpoint.apiVersion), \(parameter)"))
        return failure
    }
}

// MARK: What is concluded without an answer

extension IdentityVerdict {
    /// A caller's deadline passed while the request was on its way.
    static func late(
        _ stage: TokenSlot.Stage, lastFailure: Failure?, at endpoint: ManagedIdentityEndpoint,
        naming selector: ManagedIdentitySelector, now: Moment
    ) -> Failure {
        if let lastFailure { return lastFailure }
        guard case .asking(let since) = stage else { return heldBack(at: endpoint) }
        let seconds = ((now.instant - since).seconds * 10).rounded() / 10
        return unreached(
            CurlFailure(.deadline, code: 28, text: "no answer within \(seconds) s", step: .receive, elapsed: now.instant - since),
            at: endpoint, naming: selector)
    }

    /// Our own cap left no time to ask.
    static func heldBack(at endpoint: ManagedIdentityEndpoint) -> Failure {
        Failure(
            .probeDeadline, during: .token,
            detail: "The request for a token to \(endpoint.place) was still waiting behind others when the time was over",
            evidence: [Evidence(.agent, text: "own cap: \(PaceState.places) requests at a time, 5 a second, to one endpoint")])
    }

    /// The source gave a token that has ended while a better one is held.
    static func endedAlready(_ token: AccessToken, at endpoint: ManagedIdentityEndpoint) -> Failure {
        Failure(
            .tokenExpired, during: .token, detail: "\(endpoint.place) gave a token that had ended when it came",
            evidence: [
                Evidence(.claim, code: "exp", text: "expires \(token.expires), received \(token.acquired) by the clock of this host")
            ])
    }

    /// The environment speaks a protocol that this version does not.
    static func unsupported(_ source: TokenSourceKind, because reason: String) -> Failure {
        let product =
            switch source {
            case .serviceFabric: "Service Fabric"
            case .azureArc: "Azure Arc"
            case .azureML: "Azure Machine Learning"
            case .cloudShell: "Cloud Shell"
            case .imds, .appService: source.rawValue
            }
        return Failure(
            .configInvalid, during: .token,
            detail: "Managed identities come from \(product) here, and this version of the agent cannot ask it; applications can.",
            evidence: [Evidence(.agent, code: source.rawValue, text: reason)])
    }
}
