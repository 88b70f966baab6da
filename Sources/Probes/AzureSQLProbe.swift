// The Azure SQL probe: who asks whom, and what is kept between two runs. The run itself is `AzureSQLRun`.
package import Certificates
package import Diagnosis
import Synchronization

/// Asks one Azure SQL database whether it lets one identity in.
package final class AzureSQLProbe: Probe {
    package let target: Target
    package let id: CheckID
    let tokens: any TokenSource
    /// Whose token it should be.
    let identity: IdentityDefinition
    let anchors: TrustAnchors
    let tools: ProbeTools
    let rights = RightsMemory<PrivilegeSurvey>()
    /// What earlier runs leave to later ones.
    let memory = Mutex(Memory())

    struct Memory: Sendable {
        /// Whose tokens the server takes, as it said or showed.
        var requiredTenant: String?
        /// The server has said that only the newest TLS will do.
        var isStrict = false
        /// The certificate seen last, as it came, and what it says: an unchanged one is not read anew.
        var certificate: (der: [UInt8], facts: CertificateFacts)?
    }

    /// Most that is read after the TLS handshake. **Unit**: bytes.
    static let byteBudget = 256 * 1024

    /// - Parameter anchors: shared by all probes of the same server.
    package init(target: Target, identity: IdentityDefinition, tokens: any TokenSource, anchors: TrustAnchors, tools: ProbeTools) {
        self.target = target
        self.identity = identity
        self.id = CheckID(target: target.name, identity: identity.name)
        self.tokens = tokens
        self.anchors = anchors
        self.tools = tools
    }

    package func observe(_ run: ProbeRun) async -> Observation? { await observation(of: run, by: AzureSQLRun.self) }
}
