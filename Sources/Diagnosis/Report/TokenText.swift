// The text and JSON of `agent token`: where a token came from and what it says, never the token.

/// What is told about one token, or about the failure to get it.
package struct TokenReport: Sendable, Hashable, JSONRepresentable {
    package var identity: IdentityDefinition
    package var resource: TokenResource
    package var source: TokenSourceKind
    /// Where it was asked for, without query and header.
    package var endpoint: String
    package var duration: Duration
    package var time: Timestamp
    package var outcome: Outcome
    /// Why each source was taken or passed over, in order.
    package var chain: [Link]

    package enum Outcome: Sendable, Hashable {
        /// `warning` is what the claims foretell for a login.
        case acquired(TokenClaims, expires: Timestamp, length: Int, isCached: Bool, warning: Failure?)
        case failed(Failure)
    }

    /// One source of the chain.
    package struct Link: Sendable, Hashable, JSONRepresentable {
        package var source: TokenSourceKind
        /// `won`, `skipped`, `failed`.
        package var result: String
        package var reason: String

        package init(source: TokenSourceKind, result: String, reason: String) {
            self.source = source
            self.result = result
            self.reason = Redactor.scrub(reason)
        }

        package var json: JSON { ["source": source, "result": result, "reason": reason] }
    }

    package init(
        identity: IdentityDefinition, resource: TokenResource, source: TokenSourceKind, endpoint: String, duration: Duration,
        time: Timestamp, outcome: Outcome, chain: [Link] = []
    ) {
        self.identity = identity
        self.resource = resource
        self.source = source
        self.endpoint = Redactor.scrub(endpoint)
        self.duration = duration
        self.time = time
        self.outcome = outcome
        self.chain = chain
    }

    /// What is wrong, if anything is.
    package var failure: Failure? {
        switch outcome {
        case .acquired(_, _, _, _, let warning): warning
        case .failed(let failure): failure
        }
    }

    package var exit: ExitStatus {
        if case .failed(let failure) = outcome { ExitStatus(failure) } else { .healthy }
    }

    package var json: JSON {
        var claims: TokenClaims?
        var expires: Timestamp?
        var length: Int?
        var isCached: Bool?
        if case .acquired(let seen, let end, let bytes, let cached, _) = outcome {
            (claims, expires, length, isCached) = (seen, end, bytes, cached)
        }
        return [
            "schema": Report.schema, "time": time, "exit": Int(exit.rawValue), "identity": identity.name, "resource": resource.rawValue,
            "source": source, "endpoint": endpoint, "duration_seconds": duration, "cached": isCached, "expires": expires,
            "length_bytes": length, "claims": claims, "chain": chain, "cause": failure?.cause,
            "detail": failure.map { $0.detail ?? $0.cause.row.means },
            "evidence": failure?.evidence ?? [], "hint": hint, "remedies": remedies,
        ]
    }

    fileprivate var hint: String? { failure?.cause.row.hint(engine: nil, source: source) }

    fileprivate var remedies: [Remedy] {
        guard let failure else { return [] }
        let values = RemedyValues(identity: identity, failure: failure)
        return failure.cause.row.remedies.filter { $0.applies(to: nil, source: source) && $0.engine == nil }.map { $0.filled(from: values) }
    }
}

extension TokenClaims: JSONRepresentable {
    package var json: JSON {
        [
            "audience": audience.map(Redactor.scrub), "tenant_id": tenant.map(Redactor.scrub), "issuer": issuer.map(Redactor.scrub),
            "app_id": appID.map(Redactor.scrub), "object_id": objectID.map(Redactor.scrub), "principal": principal,
            "managed_identity_resource": managedIdentityResource.map(Redactor.scrub), "group_count": groupCount,
            "group_overage": groupOverage, "issued_at": issuedAt, "not_before": notBefore, "expires": expires,
            "uti": uti.map(Redactor.scrub),
        ]
    }
}

/// Writes ``TokenReport`` as text.
package enum TokenText {
    package static func render(_ report: TokenReport, style: TextStyle = .plain) -> String {
        var lines: [String] = []
        let severity: Severity? =
            switch report.outcome {
            case .failed: .error
            case .acquired(_, _, _, _, let warning): warning == nil ? nil : .warning
            }
        let name = style.paint("identity \(Redactor.scrub(report.identity.name))", .strong)
        let origin = "\(report.resource.rawValue) from \(report.source.rawValue) \(report.endpoint)"
        lines.append("\(style.mark(severity)) \(name)  \(origin)   \(Span.short(report.duration))   exit \(report.exit.rawValue)")
        if case .acquired(let claims, let expires, let length, let isCached, _) = report.outcome {
            lines += style.table(rows(claims, expires, length, isCached, report.time).map { ["  " + $0.0, $0.1] })
        }
        if let failure = report.failure {
            lines += style.paragraph(
                "  ", "\(failure.cause.rawValue), \(failure.certainty.rawValue): \(failure.detail ?? failure.cause.row.means)")
            for evidence in failure.evidence.prefix(3) { lines += style.paragraph("  saw  ", evidence.line) }
            lines += style.paragraph("  hint ", report.hint ?? failure.cause.hint)
            lines += report.remedies.map { "  mend [\($0.kind.rawValue)] \($0.text)" }
        }
        if !report.chain.isEmpty {
            lines.append("  sources, in order:")
            lines += style.table(report.chain.map { ["    " + $0.source.rawValue, $0.result, $0.reason] })
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func rows(
        _ claims: TokenClaims, _ expires: Timestamp, _ length: Int, _ isCached: Bool, _ now: Timestamp
    ) -> [(String, String)] {
        func known(_ text: String?) -> String { text.map(Redactor.scrub) ?? "unknown" }
        let groups = claims.groupOverage ? "left out, too many" : claims.groupCount.map(String.init) ?? "none in the token"
        let left = expires > now ? "in \(Span.long(expires - now))" : "\(Span.long(now - expires)) ago"
        return [
            ("token", "\(length) bytes\(isCached ? ", from the cache" : "")"),
            ("ends", "\(expires.description) (\(left))"),
            ("issued", claims.issuedAt.map { "\($0.description) (\(Span.long(now - $0)) ago)" } ?? "unknown"),
            ("audience", known(claims.audience)), ("tenant", known(claims.tenant)), ("app id", known(claims.appID)),
            ("object id", known(claims.objectID)), ("kind", claims.principal.rawValue),
            ("resource", known(claims.managedIdentityResource)), ("groups", groups), ("token id", known(claims.uti)),
        ]
    }
}
