// What differs between the last good and the first bad observation of a check: the answer of `agent changes`.

/// What was different when a check began to fail.
package struct FactsComparison: Sendable, Hashable, JSONTabled {
    package var check: CheckID
    /// When the last successful probe before the failures ended; nil when none is kept.
    package var lastGood: Timestamp?
    /// When the first failing probe after it ended; nil when no failure is kept.
    package var firstBad: Timestamp?
    package var cause: Cause?
    package var phase: Phase?
    /// **Shape**: by the name of the fact.
    package var changes: [Change]

    /// A fact that is not what it was.
    package struct Change: Sendable, Hashable, JSONTabled {
        /// The key of the JSON contract: `server_version`.
        package var name: String
        /// Nil when the fact was not known before.
        package var before: JSON?
        package var after: JSON
        /// When the new value was seen first.
        package var time: Timestamp

        package init(name: String, before: JSON?, after: JSON, time: Timestamp) {
            self.name = name
            self.before = before
            self.after = after
            self.time = time
        }

        package static let table = JSONTable<Change>("change", "A fact that is not what it was.") {
            JSONKey("name", "The key under facts.", .words(names + FactValue.keptNames)) { $0.name }
            JSONKey("before", "Null when it was not known.", .orNull(FactValue.known)) { $0.before }
            JSONKey("after", "What it is now.", FactValue.known) { $0.after }
            JSONKey("time", "When the new value was seen first.") { $0.time }
        }
    }

    package init(
        check: CheckID, lastGood: Timestamp? = nil, firstBad: Timestamp? = nil, cause: Cause? = nil, phase: Phase? = nil,
        changes: [Change] = []
    ) {
        self.check = check
        self.lastGood = lastGood
        self.firstBad = firstBad
        self.cause = cause
        self.phase = phase
        self.changes = changes
    }

    package static let table = JSONTable<FactsComparison>(
        "changes", "What differs between the last good and the first bad observation of a check."
    ) {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("check", "TARGET/IDENTITY.") { $0.check }
        JSONKey("last_good", "When the last good probe ended; null when none is kept.") { $0.lastGood }
        JSONKey("first_bad", "When the first bad probe after it ended; null when no failure is kept.") { $0.firstBad }
        JSONKey("cause", "Why that one failed.") { $0.cause }
        JSONKey("phase", "Where that one failed.") { $0.phase }
        JSONKey("changes", "By the name of the fact.") { $0.changes }
        JSONKey("phrases", "The same in words, one phrase a difference.") { $0.phrases }
    }

    /// One phrase per difference, `what old → new`.
    package var phrases: [String] { changes.flatMap(\.phrases) }

    /// The facts that are compared: what lasts from probe to probe while nothing is done to the way or the server.
    package static let names = [
        "addresses", "aliases", "certificate", "tls_version", "tls_cipher", "server_version", "session_user", "current_user", "database",
        "in_recovery", "service_objective", "redirected_to", "principal", "object_id", "app_id", "tenant_id",
    ]

    /// What differs between two probes. Only what both of them saw counts; what a later probe did not reach stays as it was known.
    /// - Parameters:
    ///   - time: of the later probe.
    ///   - known: what an earlier comparison with the same `old` gave: a difference keeps the time at which it was seen first.
    package static func changes(from old: Facts, to new: Facts, at time: Timestamp, known: [Change] = []) -> [Change] {
        let (before, after) = (old.json, new.json)
        return names.compactMap { name in
            let earlier = known.first { $0.name == name }
            guard let was = before[name], isKnown(was) else { return nil }
            guard let now = after[name], isKnown(now) else { return earlier }
            guard !isSame(name, was, now) else { return nil }
            return Change(name: name, before: was, after: now, time: earlier.flatMap { $0.after == now ? $0.time : nil } ?? time)
        }
    }

    private static func isKnown(_ value: JSON) -> Bool { value != .null && value.items?.isEmpty != true && value.text?.isEmpty != true }

    private static func isSame(_ name: String, _ a: JSON, _ b: JSON) -> Bool {
        switch name {
        // Order is the resolver's whim; the set is what counts.
        case "addresses": Set(a.items ?? []) == Set(b.items ?? [])
        // What else is told of a certificate follows from it, and may be read in more or less detail.
        case "certificate": a["sha256"] == b["sha256"]
        default: a == b
        }
    }
}

extension FactsComparison.Change {
    /// `what old → new`; more than one for a certificate that differs in several ways.
    package var phrases: [String] {
        guard let before else { return ["\(Self.words(name)) \(Self.text(after)), not known before"] }
        // What has a better wording than its two values gets it from the one place that has it.
        let known = FactsChange.phrases(from: Facts(name, before), to: Facts(name, after))
        return known.isEmpty ? ["\(Self.words(name)) \(Self.text(before)) → \(Self.text(after))"] : known
    }

    private static func words(_ name: String) -> String {
        let words = String(name.map { $0 == "_" ? " " : $0 })
        return words.hasPrefix("tls ") ? "TLS " + words.dropFirst(4) : words
    }

    private static func text(_ value: JSON) -> String {
        switch value {
        case .string(let text): Redactor.scrub(text)
        case .array(let items): items.map(text).joined(separator: ", ")
        // Enough to tell two certificates apart; the whole hash is in the JSON.
        default: Redactor.scrub(value["sha256"]?.text.map { String($0.prefix(8)) } ?? value.compact)
        }
    }
}

extension Facts {
    /// The one fact of that name.
    fileprivate init(_ name: String, _ value: JSON) {
        self.init()
        take(name, value)
    }

    /// Reads a fact that lasts back from its JSON form; names that are not among ``FactsComparison/names`` change nothing.
    package mutating func take(_ name: String, _ value: JSON) {
        switch name {
        case "addresses": addresses = value.items?.compactMap(\.text) ?? []
        case "aliases": aliases = value.items?.compactMap(\.text) ?? []
        case "certificate": certificate = CertificateFacts(value)
        case "tls_version": tlsVersion = value.text
        case "tls_cipher": tlsCipher = value.text
        case "server_version": serverVersion = value.text
        case "session_user": sessionUser = value.text
        case "current_user": currentUser = value.text
        case "database": database = value.text
        case "service_objective": serviceObjective = value.text
        case "redirected_to": redirectedTo = value.text
        case "in_recovery": if case .bool(let flag) = value { isInRecovery = flag }
        case "principal": principal = value.text.flatMap(TokenClaims.PrincipalKind.init(rawValue:))
        case "tenant_id": tenant = value.text
        case "app_id": appID = value.text
        case "object_id": objectID = value.text
        default: break
        }
    }
}

extension CertificateFacts {
    /// Reads what `json` writes.
    package init?(_ json: JSON) {
        guard let subject = json["subject"]?.text, let issuer = json["issuer"]?.text, let sha256 = json["sha256"]?.text,
            let notBefore = json["not_before"]?.text.flatMap(Timestamp.init(rfc3339:)),
            let notAfter = json["not_after"]?.text.flatMap(Timestamp.init(rfc3339:)),
            let chainNotAfter = json["chain_not_after"]?.text.flatMap(Timestamp.init(rfc3339:))
        else { return nil }
        self.init(
            subject: subject, issuer: issuer, names: json["names"]?.items?.compactMap(\.text) ?? [], notBefore: notBefore,
            notAfter: notAfter, chainNotAfter: chainNotAfter, sha256: sha256)
    }
}
