// The identity endpoints of the lab: App Service and IMDS behind one address, as an application on Azure finds them.
package import Diagnosis
import Logging
import Synchronization

/// Serves tokens for the principals of the lab.
package actor IdentityServer {
    package nonisolated let host: String
    package nonisolated let port: Int
    /// What `X-IDENTITY-HEADER` must say.
    package nonisolated let secretHeader: Secret<String>

    private nonisolated let desk: IdentityDesk
    private var listener: Listener?

    package nonisolated var appServiceEndpoint: String { "http://\(host):\(port)/msi/token" }
    package nonisolated var imdsAuthority: String { "http://\(host):\(port)" }

    static func start(on host: String, desk: IdentityDesk) async throws -> IdentityServer {
        let listener = try await Listener.tcp(host) { try await desk.serve($0) }
        return IdentityServer(host: host, listener: listener, desk: desk)
    }

    private init(host: String, listener: Listener, desk: IdentityDesk) {
        self.host = host
        self.port = listener.port
        self.secretHeader = Secret(desk.secretHeader)
        self.desk = desk
        self.listener = listener
    }

    /// Every request since the start, oldest first.
    package nonisolated var requests: [IdentityDesk.Visit] { desk.visits }

    /// Forgets the platform's cached tokens: the next request gets a new one.
    package nonisolated func forgetTokens() { desk.cache.clear() }

    /// How long the platform repeats a token from now on; zero switches its cache off. **Unit**: seconds.
    package nonisolated func setCacheWindow(_ seconds: Int) { desk.cache.set(window: seconds) }

    /// A token without a request, as another program on the same compute would have got it.
    package nonisolated func token(for principal: Principal, audience: String) async throws -> TokenIssuer.Issued {
        try await desk.issue(to: principal, audience: audience)
    }

    /// Stops or starts listening, on the same port.
    func setListening(_ wanted: Bool) async throws {
        if wanted, listener == nil {
            listener = try await Listener.tcp(host, port: port) { [desk] in try await desk.serve($0) }
        } else if !wanted, let open = listener {
            listener = nil
            await open.close()
        }
    }

    func stop() async {
        await listener?.close()
        listener = nil
    }
}

/// Answers one request at a time; shared by all connections.
package final class IdentityDesk: Sendable {
    let secretHeader: String
    let cache: PlatformCache
    private let issuer: TokenIssuer
    private let principals: [Principal]
    private let lifetime: Int
    private let board: FaultBoard
    private let admit: @Sendable (TokenIssuer.Issued) async throws -> Void
    private let log = Mutex<[Visit]>([])

    /// One request and how it was answered. Nothing secret is kept.
    package struct Visit: Sendable, Hashable {
        package var path: String
        package var query: [String: String]
        /// Names in lower case.
        package var headerNames: [String]
        package var status: Int
        package var fault: Fault?
        package var at = ContinuousClock.now
    }

    init(
        issuer: TokenIssuer, principals: [Principal], options: LabOptions, board: FaultBoard,
        admit: @escaping @Sendable (TokenIssuer.Issued) async throws -> Void
    ) {
        // Source: App Service hands out a GUID in upper case.
        self.secretHeader = (0..<16).map { _ in String(UInt8.random(in: 16...255), radix: 16, uppercase: true) }.joined()
        self.cache = PlatformCache(window: options.platformCacheWindow)
        self.issuer = issuer
        self.principals = principals
        self.lifetime = options.tokenLifetime
        self.board = board
        self.admit = admit
    }

    var visits: [Visit] { log.withLock { $0 } }

    /// Serves requests until the client goes or a fault ends the connection.
    func serve(_ connection: Connection) async throws {
        while let request = try await HTTPRequest.read(from: connection) {
            let entry = request.path.hasPrefix("/elsewhere") ? nil : board.playing(.identity)
            if let entry, let spoiled = IdentityFault(entry, flavor: Self.flavor(of: request), secret: secretHeader) {
                note(request, status: spoiled.status, fault: entry.fault)
                guard try await spoiled.play(on: connection) else { return }
                continue
            }
            let reply = await reply(to: request, fault: entry)
            note(request, status: reply.status, fault: entry?.fault)
            try await connection.write(reply.text())
        }
    }

    private func note(_ request: HTTPRequest, status: Int, fault: Fault?) {
        let visit = Visit(
            path: request.path, query: request.query, headerNames: request.headers.keys.sorted(), status: status, fault: fault)
        log.withLock { log in
            if log.count >= 10_000 { log.removeFirst(5_000) }
            log.append(visit)
        }
    }

    static func flavor(of request: HTTPRequest) -> IdentityFlavor { request.path.lowercased().hasPrefix("/metadata") ? .imds : .appService }

    private func reply(to request: HTTPRequest, fault: FaultBoard.Entry?) async -> HTTPReply {
        let flavor = Self.flavor(of: request)
        let path = request.path.lowercased()
        if path == "/metadata/identity/info" {
            guard request.headers["metadata"] == "true" else { return flavor.refusal(.metadataMissing) }
            return flavor.reply(["tenantId": Principal.tenant])
        }
        guard ["/msi/token", "/msi/token/", "/elsewhere/msi/token", "/metadata/identity/oauth2/token"].contains(path) else {
            return HTTPReply(status: 404, headers: flavor.headers)
        }
        guard request.method == "GET" else { return HTTPReply(status: 405, headers: flavor.headers) }
        let question: IdentityQuestion
        switch IdentityQuestion.read(request, flavor: flavor, secret: secretHeader, principals: principals) {
        case .success(let good): question = good
        case .failure(let refusal): return flavor.refusal(refusal)
        }
        do {
            let issued = try await issue(to: question.principal, audience: question.resource, fault: fault)
            return issued.token.reveal { flavor.reply(to: question, issued: issued, token: $0) }
        } catch {
            return flavor.refusal(.failing)
        }
    }

    /// A token from the platform's cache, or a new one.
    func issue(to principal: Principal, audience: String, fault: FaultBoard.Entry? = nil) async throws -> TokenIssuer.Issued {
        let key = PlatformCache.Key(principal: principal.name, audience: audience, fault: fault?.fault, value: fault?.value ?? 0)
        if let cached = cache.token(for: key) { return cached }
        var request = TokenIssuer.Request(audience: audience, lifetime: lifetime)
        switch fault?.fault {
        case .issuedWrongAudience: request.audience = "https://management.azure.com/"
        case .issuedExpired: request.issued = .now + .seconds(-lifetime - 3_600)
        case .issuedNotYetValid: request.issued = .now + .seconds(3_900)
        case .issuedLarge: request.size = fault?.value
        default: break
        }
        let issued = try issuer.issue(to: principal, request)
        // A server that compares passwords must not learn a token that a checking server would refuse.
        if fault == nil || fault?.fault == .issuedLarge { try await admit(issued) }
        cache.keep(issued, for: key)
        return issued
    }
}
