// The one request in flight: through the cap, to the endpoint, again if that is worth it, and back to everybody who waits.
import Curl
import Diagnosis
import Logging
import Synchronization

extension ManagedIdentity {
    /// One request with its repetitions, on behalf of everybody who waits. Runs once at a time for each resource.
    func fly(_ resource: TokenResource) async {
        let began = time.now
        let exchange = TokenExchange(
            endpoint: endpoint, selector: selector, resource: cloud.resourceURI(resource), http: http, time: time)
        var schedule = RetrySchedule(source: endpoint.source)
        state.withLock { $0.attempts[resource] = [] }
        while let deadline = state.withLock({ $0.slots[resource]?.flightDeadline }) {
            do throws(RequestPace.Refusal) {
                let isInsistent = state.withLock { $0.slots[resource]?.isForPerson ?? false }
                try await pace.enter(until: deadline, isInsistent: isInsistent) { onEvent(.throttled(source: endpoint.source)) }
            } catch {
                switch error {
                case .cancelled: return abandon(resource)
                case .outage(let failure):
                    return fail(resource, IdentityVerdict.unreached(failure, at: endpoint, naming: selector), nil, since: began)
                case .deadline:
                    // The deadline may have grown while we waited for a place: then there is more time to wait.
                    if let later = state.withLock({ $0.slots[resource]?.flightDeadline }), later > deadline { continue }
                    return fail(resource, IdentityVerdict.heldBack(at: endpoint), nil, since: began)
                }
            }
            state.withLock { $0.slots[resource]?.sent(at: time.now) }
            let latest = Deadline(min(deadline.instant - Self.lead, time.instant() + Self.tryLimit))
            let result = await exchange.ask(until: latest)
            if result.status == 429 {
                onEvent(.throttled(source: endpoint.source))
                if let quiet = result.retryAfter { pace.hold(for: quiet) }
            }
            if let failure = result.outage { pace.report(outage: failure) }
            pace.leave()
            switch result.outcome {
            case .abandoned: return abandon(resource)
            case .token(let reply):
                record(TokenAttempt(status: result.status, duration: result.duration), for: resource)
                return deliver(resource, reply, since: began)
            case .failed(let failure, let symptom):
                let pause = schedule.pause(after: symptom)
                let now = time.now
                let limit = state.withLock { $0.slots[resource]?.flightDeadline }
                guard let pause, let limit, now.instant + pause < limit.instant - Self.lead else {
                    record(
                        TokenAttempt(
                            status: result.status, duration: result.duration, cause: failure.cause, retryAfter: result.retryAfter),
                        for: resource)
                    return fail(resource, failure, result.retryAfter, since: began)
                }
                record(
                    TokenAttempt(
                        status: result.status, duration: result.duration, cause: failure.cause, retryAfter: result.retryAfter,
                        pause: pause), for: resource)
                let next = now.instant + pause
                release(state.withLock { $0.slots[resource]?.tryFailed(failure, next: next, at: now) ?? [] })
                do { try await time.sleep(next) } catch { return abandon(resource) }
                state.withLock { $0.slots[resource]?.queued() }
            }
        }
    }

    private func record(_ attempt: TokenAttempt, for resource: TokenResource) {
        logger.debug(
            "The identity endpoint was asked for a token.",
            metadata: [
                "identity.name": "\(name)", "token.resource": "\(resource.rawValue)", "token.place": "\(endpoint.place)",
                "http.status": "\(attempt.status.map(String.init) ?? "none")", "duration.seconds": "\(attempt.duration.seconds)",
                "failure.cause": "\(attempt.cause?.rawValue ?? "none")",
            ])
        state.withLock { $0.attempts[resource, default: []].append(attempt) }
    }

    private func deliver(_ resource: TokenResource, _ reply: TokenReply, since began: Moment) {
        let now = time.now
        let token = AccessToken(
            secret: reply.token, claims: reply.claims ?? TokenClaims(), expires: reply.expires, acquired: now.wall,
            length: reply.length, fingerprint: fingerprints.of(reply.token))
        let held = TokenSlot.Held(
            token: token, clientID: reply.clientID, renewAt: RenewalPlan.renewal(of: token, random: time.random()),
            received: now.instant)
        guard state.withLock({ $0.slots[resource]?.isWorse(token, at: now) }) != true else {
            return fail(resource, IdentityVerdict.endedAlready(token, at: endpoint), nil, since: began)
        }
        let (released, isSame) = state.withLock { state in
            let result = state.slots[resource, default: TokenSlot()].acquired(held, at: now)
            state.isSameToken[resource] = result.isSameToken
            return result
        }
        // First the news, then the waiters: whoever acts on the token finds the event recorded.
        report(resource, .acquired(expires: token.expires, isSameToken: isSame), since: began)
        release(released)
    }

    private func fail(_ resource: TokenResource, _ failure: Failure, _ retryAfter: Duration?, since began: Moment) {
        let now = time.now
        let released = state.withLock { $0.slots[resource]?.failed(failure, retryAfter: retryAfter, at: now) ?? [] }
        report(resource, .failed(failure), since: began)
        release(released)
    }

    private func abandon(_ resource: TokenResource) {
        let continuations = state.withLock { state in
            (state.slots[resource]?.abandoned() ?? []).compactMap { state.waiting.removeValue(forKey: $0) }
        }
        for continuation in continuations { continuation.resume(returning: .cancelled) }
    }

    private func report(_ resource: TokenResource, _ outcome: TokenRequestResult.Outcome, since began: Moment) {
        onEvent(
            .request(
                TokenRequestResult(
                    identity: name, resource: resource, source: endpoint.source, time: time.wall(),
                    duration: time.instant() - began.instant, outcome: outcome)))
    }
}
