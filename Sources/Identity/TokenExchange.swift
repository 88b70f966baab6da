// One question to an identity endpoint and what its answer means. No repetition here.
import Curl
import Diagnosis

/// Asks one endpoint for one identity's token of one resource.
struct TokenExchange: Sendable {
    let endpoint: ManagedIdentityEndpoint
    let selector: ManagedIdentitySelector
    /// The resource URI, never a scope.
    let resource: String
    let http: CurlClient
    let time: IdentityTime

    /// How one question ended.
    enum Outcome: Sendable {
        case token(TokenReply)
        case failed(Failure, RetrySchedule.Symptom)
        /// The process is ending: nothing was learnt.
        case abandoned
    }

    /// What is known about the question, whatever came of it.
    struct Result: Sendable {
        var outcome: Outcome
        var status: Int?
        var duration: Duration
        var retryAfter: Duration?
        /// Set when nobody can connect to the endpoint, whoever asks.
        var outage: CurlFailure?
    }

    /// **Throws**: nothing; a refusal is an answer.
    func ask(until deadline: Deadline) async -> Result {
        let began = time.instant()
        do throws(CurlFailure) {
            let reply = try await http.send(endpoint.request(resource: resource, for: selector), until: deadline)
            let retryAfter = RetrySchedule.retryAfter(reply.headers[.retryAfter], now: time.wall())
            return Result(
                outcome: verdict(on: reply, retryAfter: retryAfter), status: reply.status, duration: time.instant() - began,
                retryAfter: retryAfter)
        } catch {
            // A refusal by App Service may pass in a second, and is asked again; a metadata service that refuses does not exist.
            let isOutage = error.step == .connect && error.kind == .transfer && (error.code == 28 || endpoint.source == .imds)
            return Result(
                outcome: verdict(on: error), status: nil, duration: time.instant() - began, outage: isOutage ? error : nil)
        }
    }

    private func verdict(on reply: HTTPReply, retryAfter: Duration?) -> Outcome {
        guard reply.status == 200 else {
            return .failed(
                IdentityVerdict.refused(reply, by: endpoint, naming: selector), .status(reply.status, retryAfter: retryAfter))
        }
        do throws(TokenReply.Fault) {
            let token = try TokenReply(reply.body, receivedAt: time.wall())
            if let failure = IdentityVerdict.otherIdentity(token, than: selector, at: endpoint) { return .failed(failure, .other) }
            return .token(token)
        } catch {
            return .failed(IdentityVerdict.unreadable(reply, because: error, from: endpoint, naming: selector), .other)
        }
    }

    private func verdict(on failure: CurlFailure) -> Outcome {
        if failure.kind == .cancelled || failure.kind == .closed { return .abandoned }
        let symptom: RetrySchedule.Symptom =
            switch (failure.kind, failure.code) {
            case (.transfer, 7): .refused
            case (.deadline, _), (.transfer, 28): .noAnswer
            default: .other
            }
        return .failed(IdentityVerdict.unreached(failure, at: endpoint, naming: selector), symptom)
    }
}
