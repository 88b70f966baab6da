// Decides which token opens which database role, as the service's own extension does on Azure.
package import Diagnosis
import Logging
import Synchronization

/// The judge behind a real server's logins, and the record of what it said.
package final class TokenGate: Sendable {
    private let issuer: TokenIssuer
    private let audience: String
    private let logger: Logger
    private let state: Mutex<State>

    private struct State {
        var roles: [String: Mapping]
        var decisions: [Decision] = []
    }

    /// What a role or account is mapped to.
    package enum Mapping: Sendable, Hashable {
        /// **Shape**: an object id.
        case principal(String)
        /// **Shape**: a client id. What Azure Database for MySQL keeps of applications and managed identities.
        case application(String)
        /// **Shape**: the object id of a group; the token must list it.
        case group(String)
    }

    /// One answer of the gate. The token itself is not kept.
    package struct Decision: Sendable, Hashable {
        package var role: String
        package var objectID: String?
        /// Why not; nil when the login was allowed.
        package var reason: String?
        package var isAllowed: Bool { reason == nil }
    }

    init(issuer: TokenIssuer, audience: String, roles: [String: Mapping], logger: Logger) {
        self.issuer = issuer
        self.audience = audience
        self.logger = logger
        self.state = Mutex(State(roles: roles))
    }

    /// All answers since the start, oldest first; at most the last 10,000.
    package var decisions: [Decision] { state.withLock { $0.decisions } }

    /// Maps a role to another object, as `SECURITY LABEL` and `CREATE AADUSER` do.
    package func map(_ role: String, to mapping: Mapping?) { state.withLock { $0.roles[role] = mapping } }

    package func mapping(of role: String) -> Mapping? { state.withLock { $0.roles[role] } }

    /// The roles that a principal may log in as.
    func roles(of principal: Principal) -> [String] {
        state.withLock { state in
            state.roles.filter { _, mapping in
                switch mapping {
                case .principal(let id): id == principal.objectID
                case .application(let id): id == principal.clientID
                case .group(let id): principal.groups.contains(id)
                }
            }.map(\.key).sorted()
        }
    }

    package func decide(role: String, token: String, now: Timestamp = .now) -> Decision {
        var decision = Decision(role: role)
        do {
            let claims = try issuer.verify(token, audience: audience, now: now)
            decision.objectID = claims.oid
            switch mapping(of: role) {
            case nil: decision.reason = "the role is not mapped to Entra"
            case .principal(let id) where id != claims.oid: decision.reason = "the token belongs to another principal than the role"
            case .application(let id) where id != claims.appid: decision.reason = "the token belongs to another principal than the role"
            case .group(let id) where !(claims.groups ?? []).contains(id):
                decision.reason = "the token does not contain the group of the role"
            default: break
            }
        } catch {
            decision.reason = error.rawValue
        }
        state.withLock { state in
            if state.decisions.count >= 10_000 { state.decisions.removeFirst(5_000) }
            state.decisions.append(decision)
        }
        logger.debug(
            "token judged",
            metadata: ["role": "\(role)", "object.id": "\(decision.objectID ?? "-")", "verdict": "\(decision.reason ?? "allowed")"])
        return decision
    }

    /// Serves the PAM module on a socket. **Shape**: two texts, each after its length in four bytes; the answer is `Y` or `N`.
    func listen(on path: String) async throws -> Listener {
        try await Listener.unix(path) { [self] connection in
            guard let role = try await Self.text(from: connection), let token = try await Self.text(from: connection) else { return }
            try await connection.write(decide(role: role, token: token).isAllowed ? "Y" : "N")
        }
    }

    private static func text(from connection: Connection) async throws -> String? {
        guard let length = try await connection.read(4) else { return nil }
        let count = length.reduce(0) { $0 << 8 | Int($1) }
        guard count <= 131_072, let bytes = try await connection.read(count) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
