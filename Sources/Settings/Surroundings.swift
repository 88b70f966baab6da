// The environment of the process. No other target reads it.
package import Diagnosis
import FoundationEssentials

/// What the process finds around it.
package enum Surroundings {
    /// The variables of this process.
    package static var variables: [String: String] { ProcessInfo.processInfo.environment }

    /// Whether the process runs in a container, where exiting could take the application's site down.
    package static func isContainer(_ environment: [String: String]) -> Bool {
        ["KUBERNETES_SERVICE_HOST", "WEBSITE_INSTANCE_ID", "CONTAINER_APP_NAME"].contains { environment[$0]?.isEmpty == false }
            || FileText.exists("/.dockerenv") || FileText.exists("/run/.containerenv")
    }

    /// What the image was built from, when it says so.
    package static func revision(_ environment: [String: String]) -> String? {
        environment["AGENT_REVISION"].flatMap { $0.isEmpty ? nil : String($0.prefix(64)) }
    }

    /// Whether something has this path.
    package static func fileExists(_ path: String) -> Bool { FileText.exists(path) }

    /// Who owns the socket at this path; nil when there is none, or something else. **Shape**: the number of the user.
    package static func socketOwner(_ path: String) -> UInt32? { FileText.socketOwner(path) }

    /// Whether colour is unwanted, whatever the terminal. Source: no-color.org.
    package static func refusesColour(_ environment: [String: String]) -> Bool {
        environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
    }

    /// An empty variable counts as absent.
    package static func identityEnvironment(_ environment: [String: String]) -> IdentityEnvironment {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        return IdentityEnvironment(
            identityEndpoint: variable("IDENTITY_ENDPOINT"), identityHeader: variable("IDENTITY_HEADER").map { Secret($0) },
            imdsAuthority: variable("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
            hasServerThumbprint: variable("IDENTITY_SERVER_THUMBPRINT") != nil, hasIMDSEndpoint: variable("IMDS_ENDPOINT") != nil,
            hasArcAgent: FileText.exists("/opt/azcmagent/bin/himds"), hasMSIEndpoint: variable("MSI_ENDPOINT") != nil,
            hasMSISecret: variable("MSI_SECRET") != nil)
    }

    /// Where history is kept when nothing says so: the machine's folder when it is writable, else the user's.
    /// Source: XDG Base Directory Specification, `XDG_STATE_HOME`.
    static func historyPath(
        _ environment: [String: String], machineFolder: String = "/var/lib/agent"
    ) -> (path: String, warning: String?) {
        if FileText.isWritableDirectory(machineFolder) { return ("\(machineFolder)/history.db", nil) }
        // The specification wants relative values ignored.
        func folder(_ name: String) -> String? {
            guard var folder = environment[name], folder.hasPrefix("/") else { return nil }
            // Also the home `/` of who has none.
            while folder.hasSuffix("/") { folder.removeLast() }
            return folder
        }
        if let state = folder("XDG_STATE_HOME") { return ("\(state)/agent/history.db", nil) }
        if let home = folder("HOME") { return ("\(home)/.local/state/agent/history.db", nil) }
        let temporary = folder("TMPDIR") ?? "/tmp"
        return (
            "\(temporary)/agent/history.db",
            "not given, \(machineFolder) is not writable and there is no home: history goes to \(temporary)/agent, where it may be deleted"
        )
    }
}
