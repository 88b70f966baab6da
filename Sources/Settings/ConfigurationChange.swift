// What differs between the configuration that runs and one that was just read: pure, so that a table of cases can test it.
package import Diagnosis

/// The difference of two configurations, by what has to be done about it.
package struct ConfigurationChange: Sendable, Hashable {
    /// What became of each name.
    package struct Names<Name: Sendable & Hashable>: Sendable, Hashable {
        package var added: [Name] = []
        package var removed: [Name] = []
        /// Still there, and something about it is different.
        package var changed: [Name] = []
        package var unchanged: [Name] = []

        /// - Parameter isSame: whether the one of this name stays what it was.
        init(from old: [Name], to new: [Name], isSame: (Name) -> Bool) {
            let known = Set(old)
            let wanted = Set(new)
            removed = old.filter { !wanted.contains($0) }
            for name in new {
                if !known.contains(name) {
                    added.append(name)
                } else if isSame(name) {
                    unchanged.append(name)
                } else {
                    changed.append(name)
                }
            }
        }

        package var isEmpty: Bool { added.isEmpty && removed.isEmpty && changed.isEmpty }
    }

    package var checks: Names<CheckID>
    package var identities: Names<String>
    /// Keys whose new value is in force at once.
    package var live: [String] = []
    /// Keys whose new value waits for the next start.
    package var needsRestart: [String] = []

    /// Says that the key's new value can be put in force after all.
    package mutating func makeLive(_ key: String) {
        guard let index = needsRestart.firstIndex(of: key) else { return }
        live.append(needsRestart.remove(at: index))
    }

    /// Whether nothing has to be done.
    package var isEmpty: Bool { checks.isEmpty && identities.isEmpty && live.isEmpty && needsRestart.isEmpty }

    package init(from old: Configuration, to new: Configuration) {
        // Tokens are asked for by cloud, and names by name server: whoever changes one of them changes everything that is built on it.
        let isSameCloud = old.cloud == new.cloud
        let isSameNetwork = old.nameServers == new.nameServers
        let oldIdentities = Dictionary(old.identities.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let newIdentities = Dictionary(new.identities.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        identities = Names(from: old.identities.map(\.name), to: new.identities.map(\.name)) { name in
            isSameCloud && oldIdentities[name] == newIdentities[name]
        }
        let sameIdentities = Set(identities.unchanged)
        let oldTargets = Dictionary(old.targets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let newTargets = Dictionary(new.targets.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        checks = Names(from: old.targets.flatMap(\.checks), to: new.targets.flatMap(\.checks)) { check in
            guard var before = oldTargets[check.target], let after = newTargets[check.target] else { return false }
            // Which other identities the target has does not concern this check.
            before.identities = after.identities
            return isSameNetwork && sameIdentities.contains(check.identity) && before == after
        }
        func note(_ key: String, _ isSame: Bool, live isLive: Bool) {
            guard !isSame else { return }
            if isLive { live.append(key) } else { needsRestart.append(key) }
        }
        note("cloud", isSameCloud, live: true)
        note("dns.servers", isSameNetwork, live: true)
        note("limits.concurrency", old.limits.concurrency == new.limits.concurrency, live: true)
        note("log.level", old.log.level == new.log.level, live: true)
        note("log.format", old.log.format == new.log.format, live: true)
        note("server.hosts", old.server.hosts == new.server.hosts, live: true)
        note("server.listen", old.server.listen == new.server.listen, live: false)
        note("server.socket", old.server.socket?.path == new.server.socket?.path, live: false)
        note("history.path", old.history.path == new.history.path, live: false)
        note("history.keep", old.history.keep == new.history.keep, live: false)
        note("history.max_size", old.history.maximumSize == new.history.maximumSize, live: false)
    }

}

extension Configuration {
    /// The configuration that runs once the change is made: the new one, with what waits for a restart as it was.
    package static func running(after old: Configuration, adopting new: Configuration) -> Configuration {
        var running = new
        (running.server.listen, running.server.socket) = (old.server.listen, old.server.socket)
        running.history = old.history
        return running
    }
}
