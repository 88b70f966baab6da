// The checked configuration: one value that everything else is built from.
package import Diagnosis

/// What the agent is asked to do. Made by ``load(path:environment:directory:systemFile:)`` only, so every value has been checked.
package struct Configuration: Sendable {
    /// The file it was read from, as it was named or found.
    package var file: String
    package var cloud: Cloud
    /// Name servers to ask instead of the system's; empty for the system's.
    package var nameServers: [Endpoint]
    package var defaults: Defaults
    package var identities: [IdentityDefinition]
    package var targets: [Target]
    package var server: Server
    package var history: History
    package var limits: Limits
    package var log: Log
    /// Where managed identities are asked for, out of the environment.
    package var environment: IdentityEnvironment

    /// What holds for targets that say nothing else.
    package struct Defaults: Sendable, Hashable {
        package var interval: Duration = .seconds(60)
        package var timeout: Duration = .seconds(15)
    }

    /// The HTTP side.
    package struct Server: Sendable, Hashable {
        package var listen: [Endpoint] = [Endpoint(host: "127.0.0.1", port: 9745)]
        /// Names that a request may carry in `Host` besides addresses and `localhost`. Lower case.
        package var hosts: [String] = []
        /// The local socket, by which commands on this machine reach the agent; nil when it is switched off.
        package var socket: Socket?

        package init() {}
    }

    /// A local socket.
    package struct Socket: Sendable, Hashable {
        package var path: String
        /// Whether the place was chosen here because the configuration names none. Such a socket is not worth failing for.
        package var isDefault: Bool

        /// Longest path of a socket. **Unit**: bytes. **Source**: unix(7): `sun_path` holds 108 with the final zero, and 104 on other
        /// systems, which is what SwiftNIO goes by.
        package static let pathLimit = 103

        /// The place beside the database.
        package init(besideHistory path: String) {
            self.path = "\(FilePath.folder(of: path))/agent.sock"
            isDefault = true
        }

        init(path: String) {
            self.path = path
            isDefault = false
        }
    }

    /// Where the socket of an agent is that nobody configured; for when the file cannot be read.
    package static func defaultSocket(_ environment: [String: String]) -> Socket {
        Socket(besideHistory: Surroundings.historyPath(environment).path)
    }

    /// Where what happened is kept.
    package struct History: Sendable, Hashable {
        package var path: String
        /// Whether the file was chosen here because the configuration names none.
        package var isDefault: Bool
        package var keep = Keep()
        /// **Unit**: bytes. The oldest records make room for new ones.
        package var maximumSize: Int64 = 4 << 30

        /// For how long.
        package struct Keep: Sendable, Hashable {
            /// Every probe that succeeded.
            package var detail: Duration = .seconds(7 * 86_400)
            /// Every probe that failed, with its evidence.
            package var failures: Duration = .seconds(90 * 86_400)
            /// Sums by hour.
            package var hourly: Duration = .seconds(90 * 86_400)
            /// Sums by day, and incidents.
            package var daily: Duration = .seconds(400 * 86_400)
        }
    }

    package struct Limits: Sendable, Hashable {
        /// Probes that may be past `tcp` at the same time.
        package var concurrency = 64
    }

    /// What is logged, and how.
    package struct Log: Sendable, Hashable {
        package var level: Level = .info
        package var format: Format = .text

        package init(level: Level = .info, format: Format = .text) {
            self.level = level
            self.format = format
        }

        /// The names of swift-log, which this target does not import.
        package enum Level: String, Sendable, Hashable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }
        package enum Format: String, Sendable, Hashable, CaseIterable { case text, json }
    }
}
