// The text and JSON of `agent token`: where a token came from and what it says, never the token.

/// What is told about one token, or about the failure to get it.
package struct TokenReport: Sendable, Hashable, JSONTabled {
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
    package struct Link: Sendable, Hashable, JSONTabled {
        package var source: TokenSourceKind
        /// `won`, `skipped`, `failed`.
        package var result: String
        package var reason: String

        package init(source: TokenSourceKind, result: String, reason: String) {
            self.source = source
            self.result = result
            self.reason = Redactor.scrub(reason)
        }

        package static let table = JSONTable<Link>("link", "One source that was asked or passed over.") {
            JSONKey("source", "The source.") { $0.source }
            JSONKey("result", "What came of it.", .words(["won", "skipped", "failed"])) { $0.result }
            JSONKey("reason", "Why.") { $0.reason }
        }
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

    /// What came with the token; nil without one.
    private var token: (claims: TokenClaims, expires: Timestamp, length: Int, isCached: Bool)? {
        guard case .acquired(let claims, let expires, let length, let isCached, _) = outcome else { return nil }
        return (claims, expires, length, isCached)
    }

    package static let table = JSONTable<TokenReport>("token", "What an identity gets, without the token.") {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("time", "Of this answer.") { $0.time }
        JSONKey("exit", "The exit status of the command.") { $0.exit }
        JSONKey("identity", "Its name in the configuration.") { $0.identity.name }
        JSONKey("resource", "What the token is for.") { $0.resource }
        JSONKey("source", "Where tokens come from.") { $0.source }
        JSONKey("endpoint", "Where it was asked for, without query and header.") { $0.endpoint }
        JSONKey("duration_seconds", "How long that took.") { $0.duration }
        JSONKey("cached", "Whether it came out of a cache of this process.") { $0.token?.isCached }
        JSONKey("expires", "When it ends.") { $0.token?.expires }
        JSONKey("length_bytes", "Of the token.") { $0.token?.length }
        JSONKey("claims", "What it says.") { $0.token?.claims }
        JSONKey("chain", "Every source and try, in order.") { $0.chain }
        JSONKey("cause", "Why there is none, or what will be wrong with it.") { $0.failure?.cause }
        JSONKey("detail", "The same as a sentence.") { report in report.failure.map { $0.detail ?? $0.cause.row.means } }
        JSONKey("evidence", "What was seen, most telling first.") { $0.failure?.evidence ?? [] }
        JSONKey("hint", "What a person should try next.") { $0.hint }
        JSONKey("remedies", "What to run, looks first.") { $0.remedies }
    }

    fileprivate var hint: String? { failure?.cause.row.hint(engine: nil, source: source) }

    fileprivate var remedies: [Remedy] {
        guard let failure else { return [] }
        let values = RemedyValues(identity: identity, failure: failure)
        return failure.cause.row.remedies.filter { $0.applies(to: nil, source: source) && $0.engine == nil }.map { $0.filled(from: values) }
    }
}

extension TokenClaims: JSONTabled {
    package static let table = JSONTable<TokenClaims>("claims", "What the claims of a token say; read, never verified.") {
        JSONKey("audience", "Whom it is for.") { $0.audience.map(Redactor.scrub) }
        JSONKey("tenant_id", "Whose directory it is of.") { $0.tenant.map(Redactor.scrub) }
        JSONKey("issuer", "Who issued it.") { $0.issuer.map(Redactor.scrub) }
        JSONKey("app_id", "Of the principal.") { $0.appID.map(Redactor.scrub) }
        JSONKey("object_id", "Of the principal.") { $0.objectID.map(Redactor.scrub) }
        JSONKey("principal", "Its kind.") { $0.principal }
        JSONKey("managed_identity_resource", "The identity, or the resource that owns it, in Azure Resource Manager.") {
            $0.managedIdentityResource.map(Redactor.scrub)
        }
        JSONKey("group_count", "Groups in the token; null when it has no such claim.") { $0.groupCount }
        JSONKey("group_overage", "Whether groups were left out because there are too many.") { $0.groupOverage }
        JSONKey("issued_at", "When it was issued.") { $0.issuedAt }
        JSONKey("not_before", "From when on it is valid.") { $0.notBefore }
        JSONKey("expires", "When it ends.") { $0.expires }
        JSONKey("uti", "Its own identifier, the key of sign-in logs.") { $0.uti.map(Redactor.scrub) }
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
