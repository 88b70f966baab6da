// A server that says what a test tells it to, and remembers every byte it was sent.
import NIOCore
import NIOPosix
import NIOSSL
import Subprocess
import Synchronization
import TestSupport

/// What the fake does, step by step.
struct FakeScript: Sendable {
    /// Sent at once, with its header. Empty for silence.
    var greeting: [UInt8]
    /// Whether the connection ends behind the greeting.
    var closesAfterGreeting = false
    enum TLS: Sendable { case good, wrongName, expired, otherAuthority, stall, garbage }
    var tls = TLS.good
    /// Answers to the packets inside TLS, in order; each a list of payloads. The last one is repeated.
    var answers: [[Payload]] = []
    /// Whether the connection ends when the answers are used up.
    var closesAfterAnswers = false

    enum Payload: Sendable {
        case bytes([UInt8])
        /// A packet of this many bytes.
        case large(Int)
        /// This packet over and over until the peer goes away.
        case endless([UInt8])
    }

    init(greeting: [UInt8] = FakeScript.mysql8()) { self.greeting = greeting }

    static func packet(_ payload: [UInt8], sequence: UInt8 = 0) -> [UInt8] {
        [UInt8(payload.count & 0xFF), UInt8(payload.count >> 8 & 0xFF), UInt8(payload.count >> 16), sequence] + payload
    }

    static func mysql8(tls: Bool = true, version: String = "8.0.39-azure") -> [UInt8] {
        packet(
            [10] + Array(version.utf8) + [0, 7, 0, 0, 0] + Array("abcdefgh".utf8) + [
                0, 0xFF, tls ? 0xFF : 0xF7, 0xFF, 2, 0, 0xFF, 0xDF, 21,
            ]
                + [UInt8](repeating: 0, count: 10) + Array("ijklmnopqrst".utf8) + [0] + Array("caching_sha2_password".utf8) + [0])
    }

    static func refusal(_ number: Int, _ text: String, sqlState: String? = "HY000") -> [UInt8] {
        [0xFF, UInt8(number & 0xFF), UInt8(number >> 8)] + Array((sqlState.map { "#" + $0 } ?? "").utf8) + Array(text.utf8)
    }
    static let ok: [UInt8] = [0, 0, 0, 2, 0, 0, 0]
    static let end: [UInt8] = [0xFE, 0, 0, 2, 0]
    static func asks(for plugin: String) -> [UInt8] { [0xFE] + Array(plugin.utf8) + [0] + Array("abcdefghijklmnopqrst".utf8) + [0] }
    static func text(_ values: [String]) -> [UInt8] { values.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } }
    static func column(_ name: String) -> [UInt8] {
        text(["def", "", "", "", name, ""]) + [0x0C, 45, 0, 0, 1, 0, 0, 0xFD, 0, 0, 0, 0, 0]
    }
}

/// The running fake.
struct FakeMySQL: Sendable {
    let port: Int
    let log: FakeLog

    static func run(_ script: FakeScript, _ body: (FakeMySQL) async throws -> Void) async throws {
        let log = FakeLog()
        let certificates = try await FakeCertificates.shared()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.autoRead, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(FakeHandler(script: script, certificates: certificates, log: log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(FakeMySQL(port: server.localAddress?.port ?? 0, log: log))
        } catch {
            try? await server.close()
            throw error
        }
        try? await server.close()
    }
}

/// What came from the client.
final class FakeLog: Sendable {
    private let state = Mutex((clear: [UInt8](), inside: [UInt8](), connections: 0))

    func note(_ bytes: [UInt8], isInside: Bool) {
        state.withLock { if isInside { $0.inside += bytes } else { $0.clear += bytes } }
    }
    /// The last bytes were not in the clear after all.
    func forget(_ count: Int) { state.withLock { $0.clear.removeLast(count) } }
    func noteConnection() { state.withLock { $0.connections += 1 } }
    var clearBytes: Int { state.withLock { $0.clear.count } }
    var clear: String { state.withLock { String(decoding: $0.clear, as: UTF8.self) } }
    var inside: String { state.withLock { String(decoding: $0.inside, as: UTF8.self) } }
    var connections: Int { state.withLock { $0.connections } }
}

/// Certificates of all kinds, made once for the process.
struct FakeCertificates: Sendable {
    let folder: String
    var caFile: String { folder + "/ca.pem" }
    var systemLikeFile: String { folder + "/other-ca.pem" }

    private static let made = Mutex<FakeCertificates?>(nil)

    static func shared() async throws -> FakeCertificates {
        if let known = made.withLock({ $0 }) { return known }
        let script = #"""
            set -eu
            cd "$(mktemp -d "${TMPDIR:-/tmp}/my-XXXXXX")"
            authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1 root" -keyout "$1.key" -out "$1.pem"; }
            leaf() { # name authority days subject-alternative-name
                openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
                printf 'subjectAltName=%s\n' "$4" >"$1.names"
                openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$3" -extfile "$1.names" -out "$1.pem"
            }
            {
                authority ca; authority other-ca
                leaf good ca 20 'DNS:localhost,IP:127.0.0.1'
                leaf wrong ca 20 'DNS:elsewhere.mysql.database.azure.com,IP:127.0.0.9'
                leaf expired ca -1 'DNS:localhost,IP:127.0.0.1'
                leaf foreign other-ca 20 'DNS:localhost,IP:127.0.0.1'
            } >log 2>&1 || { cat log >&2; exit 1; }
            pwd
            """#
        let result = try await Subprocess.run(
            .name("bash"), arguments: ["-c", script], output: .string(limit: 65536), error: .string(limit: 65536))
        guard result.terminationStatus.isSuccess else { throw TestFailure(result.standardError) }
        let folder = String(result.standardOutput.split(separator: "\n").last ?? "")
        return made.withLock { known in
            if known == nil { known = FakeCertificates(folder: folder) }
            return known ?? FakeCertificates(folder: folder)
        }
    }

    func context(_ kind: FakeScript.TLS) throws -> NIOSSLContext {
        let name =
            switch kind {
            case .wrongName: "wrong"
            case .expired: "expired"
            case .otherAuthority: "foreign"
            default: "good"
            }
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMFile("\(folder)/\(name).pem").map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: "\(folder)/\(name).key", format: .pem))))
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let script: FakeScript
    private let certificates: FakeCertificates
    private let log: FakeLog
    private var isInside = false
    private var received: [UInt8] = []
    private var answered = 0

    init(script: FakeScript, certificates: FakeCertificates, log: FakeLog) {
        self.script = script
        self.certificates = certificates
        self.log = log
    }

    func channelActive(context: ChannelHandlerContext) {
        log.noteConnection()
        if !script.greeting.isEmpty { send(script.greeting, context) }
        if script.closesAfterGreeting { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        log.note(bytes, isInside: isInside)
        received += bytes
        if isInside { return answer(context) }
        guard received.count >= 36 else { return }
        received.removeFirst(36)
        switch script.tls {
        case .stall: break
        case .garbage: send(FakeScript.packet(FakeScript.refusal(1040, "Too many connections"), sequence: 2), context)
        default:
            isInside = true
            do {
                let handler = NIOSSLServerHandler(context: try certificates.context(script.tls))
                try context.pipeline.syncOperations.addHandler(handler, position: .first)
                // The client's first bytes inside may have come along.
                let early = received
                received = []
                if !early.isEmpty {
                    log.forget(early.count)
                    context.pipeline.fireChannelRead(context.channel.allocator.buffer(bytes: early))
                }
            } catch {
                context.close(promise: nil)
            }
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        while received.count >= 4 {
            let length = Int(received[0]) | Int(received[1]) << 8 | Int(received[2]) << 16
            guard received.count >= 4 + length else { return }
            var sequence = received[3]
            received.removeFirst(4 + length)
            guard !script.answers.isEmpty else { return }
            if answered >= script.answers.count, script.closesAfterAnswers { return context.close(promise: nil) }
            for payload in script.answers[min(answered, script.answers.count - 1)] {
                sequence &+= 1
                switch payload {
                case .bytes(let bytes): send(FakeScript.packet(bytes, sequence: sequence), context)
                case .large(let count): send(FakeScript.packet([UInt8](repeating: 1, count: count), sequence: sequence), context)
                case .endless(let bytes): flood(bytes, sequence, context)
                }
            }
            answered += 1
            if answered == script.answers.count, script.closesAfterAnswers { return context.close(promise: nil) }
        }
    }

    /// At most 64 MiB, so that a client without a limit fails the test instead of filling the memory.
    private func flood(_ bytes: [UInt8], _ sequence: UInt8, _ context: ChannelHandlerContext) {
        var chunk: [UInt8] = []
        var sequence = sequence
        while chunk.count < 1 << 20 {
            chunk += FakeScript.packet(bytes, sequence: sequence)
            sequence &+= 1
        }
        for _ in 0..<64 { send(chunk, context) }
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
