// What the answers of an identity endpoint mean, as failures.
import Curl
import Diagnosis

/// Builds the failures of token requests. No token, header or success body reaches one of them.
enum IdentityVerdict {
    /// Any status but 200.
    static func refused(
        _ reply: HTTPReply, by endpoint: ManagedIdentityEndpoint, naming selector: ManagedIdentitySelector
    ) -> Failure {
        let text = endpoint.scrubbed(String(decoding: reply.body.prefix(1024), as: UTF8.self))
        let lower = text.lowercased()
        let cause: Cause
        switch reply.status {
        case 300..<400: cause = .identityReplyInvalid
        case 400 where lower.contains("multiple user assigned identities"): cause = .identityClientIDWrong
        case 400 where lower.contains("identity not found") || lower.contains("managed identity found"): cause = .identityNotAssigned
        case 404, 410, 429, 500...599: cause = .entraUnavailable
        default: cause = .identityReplyInvalid
        }
        return Failure(
            cause, during: .token, detail: "\(endpoint.place) answered with HTTP \(reply.status)",
            evidence: [Evidence(.http, code: reply.status, text: text)])
    }

    /// Status 200 and not a token.
    static func unreadable(_ reply: HTTPReply, because fault: TokenReply.Fault, from endpoint: ManagedIdentityEndpoint) -> Failure {
        Failure(
            .identityReplyInvalid, during: .token, detail: "\(endpoint.place) answered, but not with a token: \(fault.text)",
            evidence: [Evidence(.http, code: reply.status, text: fault.text)])
    }

    /// A token, but not of the identity that was asked for.
    static func otherIdentity(
        _ reply: TokenReply, than selector: ManagedIdentitySelector, at endpoint: ManagedIdentityEndpoint
    ) -> Failure? {
        let (name, wanted, seen): (String, String, String?)
        switch selector {
        case .systemAssigned, .resourceID: return nil
        case .clientID(let id): (name, wanted, seen) = ("client id", id, reply.clientID ?? reply.claims?.appID)
        case .objectID(let id): (name, wanted, seen) = ("object id", id, reply.claims?.objectID)
        }
        guard let seen, seen.lowercased() != wanted.lowercased() else { return nil }
        return Failure(
            .identityClientIDWrong, during: .token,
            detail: "\(endpoint.place) was asked for the identity with the \(name) \(wanted) and gave a token of \(seen)",
            evidence: [Evidence(.claim, text: "\(name) \(seen)")])
    }

    /// No complete answer.
    static func unreached(_ failure: CurlFailure, at endpoint: ManagedIdentityEndpoint) -> Failure {
        Failure(
            failure.kind == .bodyTooLarge ? .identityReplyInvalid : .identityEndpointUnreachable, during: .token,
            detail: "\(endpoint.place): \(failure.text)", evidence: [Evidence(.curl, code: failure.code, text: failure.text)])
    }
}

// MARK: What is concluded without an answer

extension IdentityVerdict {
    /// A caller's deadline passed while the request was on its way.
    static func late(
        _ stage: TokenSlot.Stage, lastFailure: Failure?, at endpoint: ManagedIdentityEndpoint, now: Moment
    ) -> Failure {
        if let lastFailure { return lastFailure }
        guard case .asking(let since) = stage else { return heldBack(at: endpoint) }
        let seconds = ((now.instant - since).seconds * 10).rounded() / 10
        return unreached(
            CurlFailure(.deadline, code: 28, text: "no answer within \(seconds) s", step: .receive, elapsed: now.instant - since),
            at: endpoint)
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
            .identityEndpointUnreachable, during: .token,
            detail: "Managed identities come from \(product) here, and this version cannot ask it for a token",
            evidence: [Evidence(.agent, code: source.rawValue, text: reason)])
    }
}
