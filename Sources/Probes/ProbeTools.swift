// What all probes of one process share.
package import Certificates
package import Diagnosis
package import MariaDB
package import Readiness

/// Reactor, lookup, threads and what a failure is read by; made once.
package struct ProbeTools: Sendable {
    package var reactor: Reactor
    package var lookup: NameLookup
    /// The servers that `lookup` asks; empty for the system's.
    package var nameServers: [Endpoint]
    package var look: CertificateLook
    /// For libmariadb, which blocks.
    package var threads: MariaDBThreads
    /// For the TDS client, whose TLS is not OpenSSL's.
    let trust = AzureSQLTrust()
    package var cloud: Cloud
    /// What sessions call themselves: `agent/VERSION`.
    package var applicationName: String
    /// What the last successful probe of a check saw, where that is known: a failure is read in its light.
    package var lastGood: @Sendable (CheckID) -> Facts?
    /// Who may log in to a database that may sleep.
    package var wakes: WakeBook

    package init(
        reactor: Reactor, lookup: NameLookup, nameServers: [Endpoint], cloud: Cloud, applicationName: String,
        lastGood: @escaping @Sendable (CheckID) -> Facts? = { _ in nil },
        wakes: WakeBook = WakeBook()
    ) {
        self.reactor = reactor
        self.lookup = lookup
        self.nameServers = nameServers
        self.look = CertificateLook(reactor: reactor)
        self.threads = MariaDBThreads()
        self.cloud = cloud
        self.applicationName = applicationName
        self.lastGood = lastGood
        self.wakes = wakes
    }
}
