// From a name to a session: lookup, addresses in turn, login, and perhaps a second server.

import NIOCore
import NIOPosix
import Synchronization

/// One attempt to connect; used once.
struct Course {
    let target: TDSTarget
    let token: TDSAccessToken
    let options: TDSOptions
    let deadline: ContinuousClock.Instant
    let method: LoginPlan.Method
    private(set) var timings: [TDSTiming] = []
    private(set) var redirectedTo: String?

    init(target: TDSTarget, token: TDSAccessToken, options: TDSOptions, deadline: ContinuousClock.Instant, method: LoginPlan.Method) {
        self.target = target
        self.token = token
        self.options = options
        self.deadline = deadline
        self.method = method
    }

    mutating func run() async throws(TDSFailure) -> (Session, Opening) {
        var generator = SystemRandomNumberGenerator()
        let connectionID = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let rule = RedirectRule(extraSuffixes: options.redirectSuffixes)
        let scrubber = TokenScrubber(token)
        var host = target.host
        var port = target.port
        var hop = 0
        while true {
            do throws(TDSFailure) {
                let addresses = try await addresses(of: host, hop: hop)
                let settings = Session.Settings(
                    host: host, port: port, database: target.database, token: token, options: options, hop: hop, connectionID: connectionID,
                    method: method)
                let (session, opening) = try await open(settings, addresses)
                guard case .redirect(let route, let facts) = opening else { return (session, opening) }
                // Followed, it would be asked of name servers and shown in a handshake.
                guard !scrubber.mayQuote(route.server) else {
                    var failure = TDSFailure(.redirectRefused, during: .login, "The redirect names a host that quotes the token.")
                    failure.facts = facts
                    throw failure
                }
                switch rule.decide(route, from: target.host, hop: hop) {
                case .follow(let newHost, let newPort):
                    (host, port) = (newHost, newPort)
                    redirectedTo = "\(newHost):\(newPort)"
                    hop += 1
                case .refuse(let why):
                    var failure = TDSFailure(.redirectRefused, during: .login, why)
                    failure.facts = facts
                    throw failure
                }
            } catch {
                var failure = scrubber.scrubbed(error)
                failure.hop = hop
                failure.timings = timings
                if let redirectedTo {
                    var facts = failure.facts ?? TDSFacts()
                    facts.redirectedTo = redirectedTo
                    failure.facts = facts
                }
                throw failure
            }
        }
    }

    private mutating func addresses(of host: String, hop: Int) async throws(TDSFailure) -> [String] {
        guard RedirectRule.isHostName(host), (1...65_535).contains(target.port) else {
            throw TDSFailure(
                .misuse, during: .name,
                "'\(printable(host)):\(target.port)' is no host name with a port; by an address alone no certificate can be verified.")
        }
        if hop == 0, !target.addresses.isEmpty { return target.addresses }
        let start = ContinuousClock.now
        defer { timings.append(TDSTiming(.name, hop: hop, duration: .now - start)) }
        let found = try await lookUp(host)
        guard !found.isEmpty else { throw TDSFailure(.nameNotFound, during: .name, "The name \(host) has no address.") }
        return found
    }

    /// The caller's own lookup is held to the deadline here: nothing says that it keeps to it.
    private func lookUp(_ host: String) async throws(TDSFailure) -> [String] {
        let waiter = OneAnswer<[String]>()
        let ask = options.lookUp
        let deadline = deadline
        let asking = Mutex<Task<Void, Never>?>(nil)
        // Whatever ends the wait ends the task.
        defer { asking.withLock { $0?.cancel() } }
        return try await waiter.wait(
            until: deadline, timedOut: TDSFailure(.timedOut, during: .name, "The name \(host) was not resolved in time."),
            cancelled: TDSFailure(.cancelled, during: .name, "The name lookup was cancelled.")
        ) {
            // A task of its own, because the caller's lookup may be deaf to its deadline and must not be waited for. Cancelled when the wait ends,
            // be it by its own answer, the deadline or the caller.
            let task = Task {
                do throws(TDSFailure) {
                    waiter.answer(.success(try await ask(host, deadline)))
                } catch {
                    waiter.answer(.failure(error))
                }
            }
            asking.withLock { $0 = task }
        }
    }

    /// Tries the addresses in turn, each with its share of the time that is left; the first whose socket opens decides.
    private mutating func open(_ settings: Session.Settings, _ addresses: [String]) async throws(TDSFailure) -> (Session, Opening) {
        let tried = addresses.prefix(max(1, options.mostAddresses))
        var last = TDSFailure(.unreachable, during: .tcp, "The name \(settings.host) has no address that could be used.")
        var earlier: [TDSFailure] = []
        let start = ContinuousClock.now
        for (index, address) in tried.enumerated() {
            let share = (deadline - .now) / (tried.count - index)
            let tcpDeadline = min(deadline, .now + max(share, .seconds(1)))
            let session = Session(settings, opening: OneAnswer(), on: options.group.next(), start: start)
            do throws(TDSFailure) {
                let opening = try await session.open(address, tcpDeadline: tcpDeadline, deadline: deadline)
                timings += await session.currentTimings()
                return (session, opening)
            } catch {
                last = error
                // The deadline or a cancellation is noticed out here, so the steps are read from the session.
                let seen = await session.currentTimings()
                let mayGoOn = error.phase == .tcp && error.cause != .cancelled && index + 1 < tried.count && deadline > .now
                if mayGoOn {
                    earlier.append(error)
                    continue
                }
                timings += seen
                last.earlier = error.phase == .tcp ? earlier : []
                throw last
            }
        }
        throw last
    }
}

extension Session {
    /// Opens the socket and waits until the login has ended one way or the other.
    func open(_ address: String, tcpDeadline: ContinuousClock.Instant, deadline: ContinuousClock.Instant) async throws(TDSFailure)
        -> Opening
    {
        let (host, port) = destination
        guard let socket = try? SocketAddress(ipAddress: address, port: port) else {
            throw TDSFailure(.misuse, during: .tcp, "'\(printable(address))' is no IP address of \(host).")
        }
        let timer = loop.scheduleTask(in: (tcpDeadline - .now).timeAmount) { self.tcpTimedOut(address) }
        defer { timer.cancel() }
        do throws(TDSFailure) {
            return try await answer.wait(
                until: deadline, timedOut: TDSFailure(.timedOut, during: .tcp, "The deadline passed."),
                cancelled: TDSFailure(.cancelled, during: .tcp, "The attempt to connect was cancelled.")
            ) {
                ClientBootstrap(group: self.loop)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .connectTimeout((deadline - .now).timeAmount)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(self) }
                    }
                    .connect(to: socket)
                    .whenFailure { error in self.connectFailed(error, address) }
            }
        } catch {
            throw await settled(error)
        }
    }
}
