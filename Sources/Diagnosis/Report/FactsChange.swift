// What is different from when it last worked: often the cause, always the first question.

/// Differences between what two probes of one check saw. Only what was known both times counts.
package enum FactsChange {
    /// - Returns: one phrase per difference, `what old → new`.
    package static func phrases(from old: Facts, to new: Facts) -> [String] {
        var phrases: [String] = []
        func compare(_ what: String, _ before: String?, _ after: String?) {
            guard let before, let after, before != after, !before.isEmpty, !after.isEmpty else { return }
            phrases.append("\(what) \(Redactor.scrub(before)) → \(Redactor.scrub(after))")
        }
        // Order is the resolver's whim; the set is what counts.
        if Set(old.addresses) != Set(new.addresses) {
            compare("address", list(old.addresses), list(new.addresses))
        }
        if old.certificate?.sha256 != new.certificate?.sha256 {
            compare("certificate's issuer", old.certificate?.issuer, new.certificate?.issuer)
            compare("certificate's end", old.certificate?.notAfter.dateAndMinute, new.certificate?.notAfter.dateAndMinute)
            compare("certificate's subject", old.certificate?.subject, new.certificate?.subject)
            if let before = old.certificate?.names, let after = new.certificate?.names, Set(before) != Set(after) {
                let (gone, come) = (before.filter { !after.contains($0) }, after.filter { !before.contains($0) })
                // Only what sets the two apart, or all of it where one side merely has more.
                let isExchange = !gone.isEmpty && !come.isEmpty
                compare("certificate's names", names(isExchange ? gone : before), names(isExchange ? come : after))
            }
        }
        compare("token's tenant", old.tenant, new.tenant)
        compare("token's app id", old.appID, new.appID)
        compare("token's object id", old.objectID, new.objectID)
        compare("server version", old.serverVersion, new.serverVersion)
        compare("role of the server", role(old), role(new))
        return phrases
    }

    private static func list(_ addresses: [String]) -> String {
        addresses.prefix(3).map { address in
            switch AddressKind(address) {
            case .private: "\(address) (private)"
            case .public: "\(address) (public)"
            case .loopback, nil: address
            }
        }.joined(separator: ", ")
    }

    private static func names(_ all: [String]) -> String {
        all.prefix(3).joined(separator: ", ") + (all.count > 3 ? " and \(all.count - 3) more" : "")
    }

    private static func role(_ facts: Facts) -> String? { facts.isInRecovery.map { $0 ? "replica" : "primary" } }
}
