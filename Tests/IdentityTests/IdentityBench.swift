// What the tests of identities share: a server, a clock that skips pauses, and everything that was reported.
import Curl
import Diagnosis
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Identity

/// Secrets that must never be seen outside the request they belong to.
enum Canary {
    static let token = "CANARYTOKENcanarytokenCANARYTOKEN0123456789"
    static let header = "CANARY+HEADER/canary=0123456789"
}

/// A clock that does not wait for pauses up to a limit but moves on instead, and remembers them.
final class SkippingTime: Sendable {
    private let state: Mutex<(offset: Duration, pauses: [Duration])> = Mutex((.zero, []))
    private let longestPause: Duration

    init(skipping longestPause: Duration) { self.longestPause = longestPause }

    var pauses: [Duration] { state.withLock { $0.pauses } }
    func advance(by duration: Duration) { state.withLock { $0.offset += duration } }

    var time: IdentityTime {
        IdentityTime(
            wall: { .now + self.state.withLock { $0.offset } },
            instant: { .now + self.state.withLock { $0.offset } },
            sleep: { until in
                let now = ContinuousClock.now + self.state.withLock { $0.offset }
                let left = until - now
                guard left > self.longestPause else {
                    try Task.checkCancellation()
                    if left > .zero {
                        self.state.withLock { state in
                            state.offset += left
                            state.pauses.append(left)
                        }
                    }
                    return
                }
                try await Task.sleep(for: left)
            },
            random: { 0.5 })
    }
}

/// Collects what identities report.
final class EventLog: Sendable {
    private let events = Mutex<[TokenEvent]>([])
    func add(_ event: TokenEvent) { events.withLock { $0.append(event) } }
    var all: [TokenEvent] { events.withLock { $0 } }

    var requests: [TokenRequestResult] {
        all.compactMap { if case .request(let result) = $0 { result } else { nil } }
    }
    var throttled: Int { all.count { if case .throttled = $0 { true } else { false } } }
    var lookups: (hits: Int, misses: Int) {
        all.reduce(into: (0, 0)) { counts, event in
            if case .lookup(_, let hit) = event { if hit { counts.0 += 1 } else { counts.1 += 1 } }
        }
    }
}

/// Keeps every line at every level, with all that hangs on it.
final class LogLines: LogHandler {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }

    func log(event: LogEvent) { lines.withLock { $0.append("\(event)" + String(describing: event.metadata)) } }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
}

/// One running arrangement.
struct IdentityBench {
    var server: ScriptedHTTPServer
    var identities: Identities
    var events: EventLog
    var http: CurlClient
    var time: IdentityTime
    var log: LogLines

    static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Runs `body` with identities named `app`, `app2`, … that all ask one scripted endpoint.
    static func run<R>(
        _ source: TokenSourceKind = .appService, selector: ManagedIdentitySelector = .systemAssigned, count: Int = 1,
        time: IdentityTime = .system, script: [ScriptedHTTPServer.Step], _ body: (IdentityBench) async throws -> R
    ) async throws -> R {
        try await ScriptedHTTPServer.serving(script) { server in
            let http = CurlClient()
            let events = EventLog()
            let log = LogLines()
            let environment =
                source == .imds
                ? IdentityEnvironment(imdsAuthority: server.address)
                : IdentityEnvironment(identityEndpoint: server.address + "/msi/token", identityHeader: Secret(Canary.header))
            let definitions = (1...count).map { index in
                IdentityDefinition(name: index == 1 ? "app" : "app\(index)", kind: .managedIdentity(selector))
            }
            let identities = Identities(
                definitions: definitions, cloud: .public, environment: environment, http: http, time: time,
                onEvent: { events.add($0) },
                logger: Logger(label: "test", factory: { _ in log }))
            do {
                let result = try await body(
                    IdentityBench(server: server, identities: identities, events: events, http: http, time: time, log: log))
                await http.close()
                return result
            } catch {
                await http.close()
                throw error
            }
        }
    }

    func token(_ name: String = "app", for resource: TokenResource = .ossrdbms, within time: Duration = .seconds(30)) async throws
        -> TokenLease
    {
        try await #require(identities.source(named: name)).token(for: resource, until: deadline(in: time))
    }

    /// By the clock of the arrangement, which may have skipped some time.
    private func deadline(in duration: Duration) -> Deadline { Deadline(time.instant() + duration) }

    /// The failure of a question that must fail.
    func failure(_ name: String = "app", within time: Duration = .seconds(30)) async throws -> Failure {
        let source = try #require(identities.source(named: name))
        do throws(ProbeEnd) {
            let lease = try await source.token(for: .ossrdbms, until: deadline(in: time))
            throw Unexpected("a token that expires \(lease.token.expires)").asEnd
        } catch {
            if case .failed(let failure) = error { return failure }
            throw Unexpected("cancelled")
        }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
    var asEnd: ProbeEnd { .failed(Failure(.probeInternal, during: .internal, detail: description)) }
}

/// The body of a good reply. **Shape**: that of App Service; IMDS has more fields of the same kind.
func tokenBody(_ token: String = Canary.token, expiresIn seconds: Int = 86_400, clientID: String? = nil) -> String {
    let end = Int(Timestamp.now.seconds) + seconds
    let echo = clientID.map { #","client_id":"\#($0)""# } ?? ""
    return
        #"{"access_token":"\#(token)","expires_on":"\#(end)","resource":"https://ossrdbms-aad.database.windows.net","token_type":"Bearer"\#(echo)}"#
}

/// Runs something that must take a given time, up to five times, and gives the time that came nearest.
///
/// A machine that is busy with other things stalls now and then; what is late by itself is late five times.
func bestOfFive(near wanted: Duration, _ body: () async throws -> Void) async rethrows -> Duration {
    var best: Duration?
    for _ in 0..<5 {
        let began = ContinuousClock.now
        try await body()
        let took = ContinuousClock.now - began
        if best.map({ abs(($0 - wanted).seconds) > abs((took - wanted).seconds) }) ?? true { best = took }
        if abs((took - wanted).seconds) < 0.1 { break }
    }
    return best ?? .zero
}

/// Everything that a value shows of itself, in every way that Swift knows.
func everything(about value: Any) -> String {
    var text = String(describing: value) + String(reflecting: value)
    dump(value, to: &text)
    return text
}
