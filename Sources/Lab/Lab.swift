// The small Azure on one machine: starts its parts, knows where they are, and takes everything away again.
package import Diagnosis
package import Logging

/// A running lab: identity endpoints, a name service, fault proxies and a real PostgreSQL that checks tokens.
///
/// Everything listens on loopback addresses of this lab's own, everything written is in one scratch folder, and nothing of it is left after
/// `stop()`, nor when the process is killed.
package final class Lab: Sendable {
    package let options: LabOptions
    package let block: LoopbackBlock
    package let scratch: Scratch
    package let certificates: LabCertificates
    package let issuer: TokenIssuer
    package let gate: TokenGate
    package let identity: IdentityServer
    package let nameServer: NameServer
    /// Nil when the options ask for none.
    package let postgres: PostgresServer?
    package let board: FaultBoard

    /// The audience of PostgreSQL and MySQL on Azure.
    package static let audience = "https://ossrdbms-aad.database.windows.net"

    /// Starts all parts and returns when the server accepts logins.
    /// **Throws**: `LabError` for people: what is missing, and how to get it. Nothing is left behind then.
    package static func start(_ options: LabOptions = LabOptions(), logger: Logger = Logger(label: "lab", factory: { _ in SwiftLogNoOpLogHandler() }))
        async throws -> Lab
    {
        let scratch = try Scratch(in: options.parentDirectory)
        do {
            return try await Lab(options: options, scratch: scratch, logger: logger)
        } catch {
            scratch.remove()
            throw error
        }
    }

    private init(options: LabOptions, scratch: Scratch, logger: Logger) async throws {
        let block = LoopbackBlock()
        let certificates = try LabCertificates()
        let issuer = try TokenIssuer(size: options.tokenSize)
        let board = FaultBoard()
        try scratch.write(certificates.authority.certificate, to: "ca.pem", mode: 0o644)
        let gate = TokenGate(issuer: issuer, audience: Self.audience, roles: PostgresSchema.mappings, logger: logger)
        var running: [@Sendable () async -> Void] = []
        do {
            var postgres: PostgresServer?
            if options.postgres {
                let server = try await PostgresServer.start(
                    options: options, scratch: scratch, block: block, certificates: certificates, gate: gate, logger: logger)
                running.append { await server.stop() }
                postgres = server
            }
            let desk = IdentityDesk(issuer: issuer, principals: options.principals, options: options, board: board) { [postgres] issued in
                if issued.audience == Self.audience { try await postgres?.admit(issued) }
            }
            let identity = try await IdentityServer.start(on: block.identity, desk: desk)
            running.append { await identity.stop() }
            var zone = Zone()
            for target in options.targets {
                zone.add(Zone.Entry(target: target, primary: block.postgres, secondary: block.postgres, dead: block.blackHole))
            }
            self.nameServer = try await NameServer.start(on: block.nameServer, zone: zone, board: board)
            self.postgres = postgres
            self.identity = identity
        } catch {
            for stop in running.reversed() { await stop() }
            throw error
        }
        self.options = options
        self.block = block
        self.scratch = scratch
        self.certificates = certificates
        self.issuer = issuer
        self.gate = gate
        self.board = board
    }

    /// Ends all parts in reverse order and removes the scratch folder.
    package func stop() async {
        await nameServer.stop()
        await identity.stop()
        await postgres?.stop()
        scratch.remove()
    }

    /// The file with the lab's root certificate, for `tls.ca_file`.
    package var caFile: String { scratch.file("ca.pem") }

    package func target(_ name: String) -> LabTarget? { options.targets.first { $0.name == name } }
    package func principal(_ name: String) -> Principal? { options.principals.first { $0.name == name } }

    /// Where a client of `target` ends up after name resolution.
    package func endpoint(of target: LabTarget) -> Endpoint {
        Endpoint(host: block.postgres, port: postgres?.port ?? 0)
    }

    /// A token as the identity endpoint would give it: the platform's cached one.
    package func token(for principal: String = "app", audience: String = Lab.audience) async throws -> Secret<String> {
        guard let found = self.principal(principal) else { throw LabError("The lab has no principal \(principal).") }
        return try await identity.token(for: found, audience: audience).token
    }
}
