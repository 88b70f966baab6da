// One connection through libmariadb, phase by phase: TCP and the greeting on the reactor, the rest on a thread of the pool.
//
// The library does TLS and login in one blocking call. It is given our connected socket, the greeting that we have read, and what to verify;
// OpenSSL tells when the handshake was complete. So one connection is enough, a silent server costs a descriptor and no thread until it has
// greeted, and each phase has its own duration.
import CLinux
package import Certificates
package import Diagnosis
import Glibc
package import Readiness

/// What a login needs to know.
package struct MariaDBEndpoint: Sendable {
    /// The name that the certificate has to be for.
    package var host: String
    package var port: Int
    /// Empty for none.
    package var database: String
    package var user: String
    /// What the session calls itself, in the attribute `program_name`.
    package var applicationName: String
    /// For the library's own clocks, which never decide. **Unit**: milliseconds.
    package var timeoutMilliseconds: Int

    package init(host: String, port: Int, database: String, user: String, applicationName: String, timeoutMilliseconds: Int) {
        self.host = host
        self.port = port
        self.database = database
        self.user = user
        self.applicationName = applicationName
        self.timeoutMilliseconds = timeoutMilliseconds
    }
}

/// What the library did in one call, taken apart.
package struct MariaDBLogin: Sendable {
    /// When the handshake was complete, chain and name verified; nil when it never was.
    package var handshakeFinished: ContinuousClock.Instant?
    package var certificate: CertificateFacts?
    package var tlsVersion: String?
    package var tlsCipher: String?
    /// Whether there was a thread for it before the deadline; without one nothing was asked of the server.
    package var hasBegun = true
    /// When a thread began with it; the time before that is nobody's but ours.
    package var begun: ContinuousClock.Instant?
}

/// A MySQL connection that is opened phase by phase: ``connect(_:port:until:)``, ``greet(until:)``, ``logIn(_:token:anchors:known:standing:until:)``,
/// then ``query(_:limit:until:)``.
///
/// **Isolation**: belongs to the task that made it. Closes politely when it goes away.
package final class MariaDBConnection {
    /// Largest number of bytes read after the TLS handshake.
    package static let byteBudget = 256 * 1024
    /// How many rows of a result are kept.
    package static let rows = 100
    /// How long after the deadline a thread may answer before its call is given up.
    private static let grace = Duration.milliseconds(30)

    private let reactor: Reactor
    private let threads: MariaDBThreads
    private var socket: GreetedSocket?
    private var greeting: Greeting?
    private var session: MariaDBSession?
    /// What was known of the server before this connection; a login proves nothing about the questions behind it.
    private var standing = MariaDBThreads.Standing.unknown

    package init(reactor: Reactor, threads: MariaDBThreads) {
        self.reactor = reactor
        self.threads = threads
    }

    // MARK: tcp, negotiate

    /// Connects to a numeric address. **Throws**: `socket`, `wait`.
    package func connect(_ address: String, port: Int, until deadline: Deadline) async throws(MariaDBFailure) {
        let descriptor = unsafe clinux_connect(address, Int32(port))
        guard descriptor >= 0 else { throw .socket(-descriptor) }
        let socket = GreetedSocket(descriptor)
        try await wait(.write, socket, deadline)
        let code = clinux_socket_error(descriptor)
        guard code == 0 else { throw .socket(code) }
        self.socket = socket
    }

    /// Waits for the server's greeting, reads it and nothing behind it.
    ///
    /// **Throws**: `greeting` for refusals and foreign bytes, `closed`, `unable` without TLS, `violation` for bytes behind it, `socket`, `wait`.
    package func greet(until deadline: Deadline) async throws(MariaDBFailure) -> Greeting {
        guard let socket else { throw .socket(ENOTCONN) }
        let head = try await read(PacketHeader.size, of: [], from: socket, deadline)
        guard let header = PacketHeader(head), header.isFirst else {
            throw .greeting(.foreign, bytes: head + socket.peek(16 - head.count))
        }
        let payload = try await read(header.length, of: head, from: socket, deadline)
        let greeting: Greeting
        do {
            greeting = try Greeting(payload)
        } catch {
            throw .greeting(error, bytes: Array((head + payload).prefix(16)))
        }
        // Source: CVE-2021-23222 for the like in another protocol: what is stuffed in before TLS would count as said inside it.
        let stuffed = socket.peek(16)
        guard stuffed.isEmpty else { throw .violation("bytes in the clear behind the greeting", bytes: stuffed) }
        guard greeting.offersTLS else { throw .unable("the server offers no TLS") }
        let needed = Greeting.Capability.protocol41 | Greeting.Capability.secureConnection | Greeting.Capability.pluginAuthentication
        guard greeting.capabilities & needed == needed else { throw .unable("the server knows no authentication by plugins") }
        self.greeting = greeting
        return greeting
    }

    /// Exactly `count` bytes.
    private func read(
        _ count: Int, of before: [UInt8], from socket: GreetedSocket, _ deadline: Deadline
    ) async throws(MariaDBFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            switch socket.receive(count - bytes.count) {
            case .success(let part) where part.isEmpty: throw .closed(Array((before + bytes).prefix(16)))
            case .success(let part): bytes += part
            case .failure(let error) where error.code == EAGAIN: try await wait(.read, socket, deadline)
            case .failure(let error): throw .socket(error.code)
            }
        }
        return bytes
    }

    private func wait(_ interest: Interest, _ socket: GreetedSocket, _ deadline: Deadline) async throws(MariaDBFailure) {
        do {
            try await reactor.wait(for: interest, on: socket.descriptor, until: deadline)
        } catch {
            throw .wait(error)
        }
    }

    // MARK: tls, login, query

    /// Shakes hands, verifies chain and name, and sends the token when the server then asks for a clear-text password.
    ///
    /// - Parameters:
    ///   - known: facts of the certificate seen last, returned as they are when it is the same.
    ///   - standing: how the last probe of this check went: it decides how many threads there are for it.
    /// - Returns: what was seen, also beside the failure.
    package func logIn(
        _ endpoint: MariaDBEndpoint, token: Secret<String>, anchors: TrustAnchors, known: CertificateFacts?,
        standing: MariaDBThreads.Standing, until deadline: Deadline
    ) async -> (login: MariaDBLogin, failure: MariaDBFailure?) {
        guard let socket, let greeting else { return (MariaDBLogin(), .socket(ENOTCONN)) }
        self.socket = nil
        self.standing = standing
        let call = Call<(MariaDBLogin, MariaDBFailure?, MariaDBSession?)>()
        threads.submit(standing) {
            guard call.begin(before: deadline) else { return }
            if let problem = MariaDBLibrary.problem { return call.finish(.success((MariaDBLogin(), .unusable(problem), nil))) }
            let store: TrustStore
            do throws(Failure) {
                store = try anchors.store()
            } catch {
                return call.finish(.success((MariaDBLogin(), .unusable(error), nil)))
            }
            let watch = HandshakeWatch(name: endpoint.host, store: store, byteLimit: Self.byteBudget)
            let transport = Transport(
                socket.release(), greeting: greeting.forLibrary, token: token, watch: watch, deadline: deadline)
            guard let session = MariaDBSession(transport), call.lend(transport) else {
                return call.finish(.success((MariaDBLogin(), .wait(.system(ENOMEM)), nil)))
            }
            var failure: MariaDBFailure?
            do throws(MariaDBFailure) {
                try session.logIn(endpoint)
            } catch {
                failure = error
            }
            var login = MariaDBLogin(handshakeFinished: watch.finished, certificate: watch.refusal?.certificate)
            if let peer = session.session {
                login.certificate = peer.certificate(known: known)
                login.tlsVersion = peer.version
                login.tlsCipher = peer.cipher
            }
            call.finish(.success((login, failure, session)))
        }
        switch await call.outcome(on: reactor, until: deadline, grace: Self.grace) {
        case .success((var login, let failure, let session)):
            self.session = failure == nil ? session : nil
            login.begun = call.begun
            return (login, failure)
        case .failure(let wait):
            // What the thread saw until it was given up.
            let login = MariaDBLogin(handshakeFinished: call.handshakeFinished, hasBegun: call.hasBegun, begun: call.begun)
            return (login, .wait(wait))
        }
    }

    /// Runs one statement and returns the rows of its result as text.
    ///
    /// **Shape**: at most `limit` rows; a null is nil. **Throws**: `library` with the server's number, `budget`, `violation`, `wait`, and
    /// `unasked` when no thread came free for it before the deadline.
    package func query(_ sql: String, limit: Int = rows, until deadline: Deadline) async throws(MariaDBFailure) -> [[String?]] {
        try await perform(until: deadline) { session throws(MariaDBFailure) in try session.query(sql, limit: limit) }
    }

    /// Prepares the session with one statement and asks with another, in one turn of a thread: handing over and back costs CPU.
    /// **Throws**: as ``query(_:limit:until:)``.
    /// - Returns: the rows of the question, and when it was sent.
    package func ask(
        _ question: String, after preparation: String, until deadline: Deadline
    ) async throws(MariaDBFailure) -> (rows: [[String?]], sent: ContinuousClock.Instant) {
        try await perform(until: deadline) { session throws(MariaDBFailure) in
            _ = try session.query(preparation, limit: Self.rows)
            let sent = ContinuousClock.now
            return (try session.query(question, limit: Self.rows), sent)
        }
    }

    private func perform<Value: Sendable>(
        until deadline: Deadline, _ work: @escaping @Sendable (MariaDBSession) throws(MariaDBFailure) -> Value
    ) async throws(MariaDBFailure) -> Value {
        guard let session else { throw .socket(ENOTCONN) }
        let call = Call<Result<Value, MariaDBFailure>>()
        threads.submit(standing) {
            guard call.begin(before: deadline), call.lend(session.transport) else { return }
            session.transport.deadline = deadline
            do throws(MariaDBFailure) {
                call.finish(.success(.success(try work(session))))
            } catch {
                call.finish(.success(.failure(error)))
            }
        }
        switch await call.outcome(on: reactor, until: deadline, grace: Self.grace) {
        case .success(let result): return try result.get()
        case .failure(let wait):
            // The thread may still hold it; nobody else touches it again.
            self.session = nil
            if wait == .deadline, !call.hasBegun { throw .unasked }
            throw .wait(wait)
        }
    }

    /// Ends the session politely, without waiting for an answer.
    package func close() {
        session = nil
        socket = nil
    }
}
