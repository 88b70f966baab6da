// What differs between the last good and the first bad observation of a check: the answer of `agent changes`.

/// What was different when a check began to fail.
package struct FactsComparison: Sendable, Hashable, JSONRepresentable {
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
    package struct Change: Sendable, Hashable, JSONRepresentable {
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

        package var json: JSON { ["name": name, "before": before, "after": after, "time": time] }
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

    package var json: JSON {
        [
            "schema": Report.schema, "check": check, "last_good": lastGood, "first_bad": firstBad, "cause": cause, "phase": phase,
            "changes": changes, "phrases": phrases,
        ]
    }

    /// One phrase per difference, `what old → new`.
    package var phrases: [String] { changes.flatMap(Self.phrases) }

    private static func phrases(_ change: Change) -> [String] {
        guard let before = change.before else { return ["\(words(change.name)) \(text(change.after)), not known before"] }
        // What has a better wording than its two values gets it from the one place that has it.
        let known = FactsChange.phrases(from: Facts(change.name, before), to: Facts(change.name, change.after))
        return known.isEmpty ? ["\(words(change.name)) \(text(before)) → \(text(change.after))"] : known
    }

    private static func words(_ name: String) -> String {
        let words = String(name.map { $0 == "_" ? " " : $0 })
        return words.hasPrefix("tls ") ? "TLS " + words.dropFirst(4) : words
    }

    private static func text(_ value: JSON) -> String {
        switch value {
        case .string(let text): Redactor.scrub(text)
        case .array(let items): items.map(text).joined(separator: ", ")
        default: Redactor.scrub(value["sha256"]?.text ?? value.compact)
        }
    }
}

extension Facts {
    /// The one fact of that name, if ``FactsChange`` has words for it; nothing otherwise.
    fileprivate init(_ name: String, _ value: JSON) {
        self.init()
        switch name {
        case "addresses": addresses = value.items?.compactMap(\.text) ?? []
        case "certificate": certificate = CertificateFacts(value)
        case "tenant_id": tenant = value.text
        case "app_id": appID = value.text
        case "object_id": objectID = value.text
        case "server_version": serverVersion = value.text
        case "in_recovery": if case .bool(let flag) = value { isInRecovery = flag }
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
