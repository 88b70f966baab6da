// The MySQL probe: who asks whom, and what is kept between two runs. The run itself is `MySQLRun`.
package import Certificates
package import Diagnosis
import MariaDB
import Synchronization

/// Asks one MySQL server whether it lets one identity in.
package final class MySQLProbe: Probe {
    package let target: Target
    package let id: CheckID
    let tokens: any TokenSource
    /// Whose token it should be.
    let identity: IdentityDefinition
    let anchors: TrustAnchors
    let tools: ProbeTools
    let rights = RightsMemory<PrivilegeSurvey>()
    /// Facts of the certificate seen last, so that an unchanged one is not read anew.
    let knownCertificate = Mutex<CertificateFacts?>(nil)
    /// Whether the last run held a thread until its deadline: then the next one shares the few threads there are for such checks.
    let standing = Mutex(MariaDBThreads.Standing.unknown)

    /// - Parameters:
    ///   - target: has a `user`; `Settings` sees to it for this engine.
    ///   - anchors: shared by all probes of the same server.
    package init(target: Target, identity: IdentityDefinition, tokens: any TokenSource, anchors: TrustAnchors, tools: ProbeTools) {
        self.target = target
        self.identity = identity
        self.id = CheckID(target: target.name, identity: identity.name)
        self.tokens = tokens
        self.anchors = anchors
        self.tools = tools
    }

    package func observe(_ run: ProbeRun) async -> Observation? { await observation(of: run, by: MySQLRun.self) }
}
