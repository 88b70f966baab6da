// What the claims of a token foretell, and how that refines a vague refusal. Source: fact sheets "Identity" 10.2, "Failure causes" A and L.

extension Failure {
    /// Whether a login must not even be tried: a token for another resource never goes to a database.
    package var forbidsLogin: Bool { cause == .tokenWrongAudience && phase == .token }
}

extension Classifier {
    /// Difference between clocks that proves nothing. **Unit**: seconds.
    private static let tolerance = Duration.seconds(60)

    /// What a login with this token will meet, as far as its claims tell.
    ///
    /// A wrong audience is certain and stops the login; the rest are predictions that refine a later refusal.
    /// - Returns: nil when the claims are in order, or say nothing.
    package static func claims(
        _ claims: TokenClaims, wanted: TokenResource, cloud: Cloud = .public,
        expected: ManagedIdentitySelector = .systemAssigned, now: Timestamp
    ) -> Failure? {
        wrongAudience(claims, wanted: wanted, cloud: cloud) ?? untimely(claims, now: now) ?? otherIdentity(claims, expected: expected)
    }

    private static func wrongAudience(_ claims: TokenClaims, wanted: TokenResource, cloud: Cloud) -> Failure? {
        guard let audience = claims.audience, !cloud.accepts(audience: audience, for: wanted) else { return nil }
        let other = Cloud.allCases.flatMap { cloud in TokenResource.allCases.map { (cloud, $0) } }
            .first { $0.0.accepts(audience: audience, for: $0.1) }
        let whose =
            switch other {
            case (let its, let resource)? where its != cloud: ", the \(resource.rawValue) resource of cloud \(its.rawValue)"
            case (_, let resource)?: ", the \(resource.rawValue) resource"
            case nil: ""
            }
        return Failure(
            .tokenWrongAudience, during: .token,
            detail: "The token is for \(audience)\(whose); this database takes tokens for \(cloud.resourceURI(wanted)). It was not sent.",
            evidence: [Evidence(.claim, code: "aud", text: audience)], values: ["resource": cloud.resourceURI(wanted)])
    }

    /// A token outside its time.
    static func untimely(_ claims: TokenClaims, now: Timestamp) -> Failure? {
        if let expires = claims.expires, expires <= now {
            return Failure(
                .tokenExpired, during: .token, certainty: .likely,
                detail: "The token ended \(expires.description), \(Span.long(now - expires)) ago by this host's clock.",
                evidence: [Evidence(.claim, code: "exp", text: expires.description)])
        }
        if let begins = claims.notBefore, begins > now + tolerance {
            return Failure(
                .tokenNotYetValid, during: .token, certainty: .likely,
                detail: "The token begins \(begins.description), in \(Span.long(begins - now)) by this host's clock.",
                evidence: [Evidence(.claim, code: "nbf", text: begins.description)])
        }
        return nil
    }

    private static func otherIdentity(_ claims: TokenClaims, expected: ManagedIdentitySelector) -> Failure? {
        func differs(_ claim: String, _ seen: String?, _ wanted: String) -> Failure? {
            guard let seen, seen.lowercased() != wanted.lowercased() else { return nil }
            return Failure(
                .identityClientIDWrong, during: .token, certainty: .likely,
                detail: "The token is of \(seen), configured is \(wanted).",
                evidence: [Evidence(.claim, code: claim, text: seen)])
        }
        switch expected {
        case .systemAssigned: return nil
        case .clientID(let id): return differs("appid", claims.appID, id)
        case .objectID(let id): return differs("oid", claims.objectID, id)
        case .resourceID(let id):
            // A leading slash is a matter of taste.
            func bare(_ id: String) -> String { id.hasPrefix("/") ? String(id.dropFirst()) : id }
            return differs("xms_mirid", claims.managedIdentityResource.map(bare), bare(id))
        }
    }

    /// Joins a refusal by the server with what the claims foretold: the vaguer gives way, and both are kept as evidence.
    package static func refined(_ refusal: Failure, by prediction: Failure?) -> Failure {
        guard let prediction else { return refusal }
        let isVague: Bool =
            switch (refusal.cause, prediction.cause) {
            case (.loginRefused, _), (.loginPrincipalUnknown, _), (.loginIdentityRecreated, _), (.unclassified, _): true
            case (.loginTokenType, .identityClientIDWrong): true
            default: false
            }
        guard isVague else { return refusal }
        var joined = prediction
        joined.phase = refusal.phase
        joined.certainty = .likely
        joined.evidence = refusal.evidence + prediction.evidence
        joined.values.merge(refusal.values) { mine, _ in mine }
        return joined
    }

    /// Looks at a failure again with what was learnt about the way: the root cause before its consequence.
    /// - Parameters:
    ///   - lastGood: what was seen when it last worked, where that is known.
    ///   - expectsPrivate: whether the configuration says that the target is private.
    package static func refined(_ failure: Failure, facts: Facts, lastGood: Facts? = nil, expectsPrivate: Bool = false) -> Failure {
        guard
            [.tcpTimeout, .tcpRefused, .tcpUnreachable, .firewallDenied, .publicAccessDisabled, .dnsPublicForPrivate].contains(
                failure.cause),
            let address = facts.address ?? facts.addresses.first, AddressKind(address) == .public
        else { return failure }
        let alias = facts.aliases.last { $0.lowercased().contains(".privatelink.") || $0.lowercased().hasPrefix("privatelink.") }
        let wasPrivate = lastGood?.addresses.contains { AddressKind($0) == .private } ?? false
        // An address that has been private is meant to be. Without that a public answer behind a privatelink alias may be normal: the
        // endpoint may serve another network.
        guard alias != nil || wasPrivate else { return failure }
        var refined = failure
        refined.cause = .dnsPublicForPrivate
        refined.certainty = wasPrivate || expectsPrivate ? .certain : .likely
        let through = alias.map { ", through the alias \($0)" } ?? ""
        let before = wasPrivate ? "; it led to \(lastGood?.addresses.joined(separator: ", ") ?? "") when it last worked" : ""
        refined.detail = "The name leads to \(address), which is public\(through)\(before)."
        let evidence = Evidence(.address, text: address)
        if !refined.evidence.contains(evidence) { refined.evidence.append(evidence) }
        return refined
    }
}
