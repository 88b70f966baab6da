// What the runs of all engines have in common up to the connection: the token, the name, the addresses that are tried, the cap.
import Diagnosis
import Readiness

/// A probe with a token.
protocol TokenProbe: Probe {
    var tokens: any TokenSource { get }
    /// Whose token it should be.
    var identity: IdentityDefinition { get }
    var tools: ProbeTools { get }
    var rights: RightsMemory<PrivilegeSurvey> { get }
}

extension PostgresProbe: TokenProbe {}
extension MySQLProbe: TokenProbe {}
extension AzureSQLProbe: TokenProbe {}

/// The state of one run. Throws the failure of the phase that ended it.
protocol TokenRun {
    associatedtype Kind: TokenProbe
    /// A connection that can be asked.
    associatedtype Session
    var probe: Kind { get }
    var run: ProbeRun { get }
    var record: ProbeRecord { get set }
    var token: AccessToken? { get set }
    /// Where the run counts against the cap.
    var place: GatePlace { get }

    init(probe: Kind, run: ProbeRun)

    /// Goes through the phases, as far as the run's depth says.
    mutating func perform() async throws(ProbeEnd) -> Observation.Outcome
    /// The verdict on the configured rights.
    func rights(_ session: Session) async throws(ProbeEnd) -> PrivilegeReport
    /// What can be done, where nothing is configured. - Returns: nil when the answer says too little.
    func survey(_ session: Session, until deadline: Deadline) async throws(ProbeEnd) -> PrivilegeSurvey?
}

/// A run that opens its connections itself, one address after the other.
protocol SteppedRun: TokenRun {
    /// Connects to one address, up to the end of `negotiate`. Only a failure in `tcp` lets the next address have its turn.
    mutating func connect(to address: String, by deadline: Deadline) async throws(ProbeEnd) -> Session
}

extension TokenRun {
    var target: Target { probe.target }
    var tools: ProbeTools { probe.tools }

    // MARK: token

    mutating func acquireToken() async throws(ProbeEnd) -> Secret<String> {
        record.enter(.token)
        let lease = try await probe.tokens.token(for: target.engine.resource, until: run.deadline)
        token = lease.token
        if lease.isCached { record.markCached(.token) }
        record.facts.describe(lease.token)
        // A token for another resource must not go to a database. Every other prediction is left to the server to confirm.
        if let failure = prediction, failure.cause == .tokenWrongAudience { throw .failed(failure) }
        record.leave()
        return lease.token.secret
    }

    var prediction: Failure? {
        token.flatMap {
            Classifier.claims(
                $0.claims, wanted: target.engine.resource, cloud: tools.cloud, expected: probe.identity.selector, now: .now)
        }
    }

    // MARK: dns

    mutating func resolve() async throws(ProbeEnd) -> [String] {
        record.enter(.dns)
        let resolution: NameResolution
        do {
            resolution = try await tools.lookup.resolve(target.host, until: run.deadline)
        } catch {
            switch error {
            case .ares(let code, let text, _):
                throw .failed(
                    Classifier.ares(code: code, name: target.host, text: text, servers: tools.nameServers.map(\.description)))
            case .wait(let wait): throw end(of: wait, during: .dns)
            }
        }
        record.facts.addresses = resolution.addresses
        record.facts.aliases = resolution.aliases
        record.facts.timeToLive = resolution.timeToLive
        record.leave()
        if resolution.addresses == [target.host] { record.skip(.dns, "numeric address") }
        return resolution.addresses
    }

    // MARK: the cap

    /// Takes the place of the run, which is kept until ``GatePlace/leave()``. **Throws**: `cancelled` when none came free in time: nothing
    /// was asked of the server then.
    func enterGate() async throws(ProbeEnd) {
        do {
            _ = try await place.take()
        } catch {
            throw .cancelled
        }
    }

    // MARK: how it ends

    func end(of wait: WaitFailure, during phase: Phase) -> ProbeEnd {
        switch wait {
        case .cancelled: .cancelled
        case .deadline: .failed(Classifier.deadline(phase: phase, after: ContinuousClock.now - record.begin))
        case .system(let code): .failed(Classifier.errno(code, phase: .internal))
        }
    }

    /// Says where it was; addresses are part of the evidence while several are tried.
    func located(_ failure: Failure) -> Failure {
        guard let address = record.facts.address, let first = failure.evidence.first else { return failure }
        var failure = failure
        failure.evidence[0] = Evidence(
            first.kind, code: first.code, text: "\(Endpoint(host: address, port: target.port)) \(first.text)")
        return failure
    }
}

extension SteppedRun {
    /// Connects to the first address that answers.
    mutating func connect(to addresses: [String]) async throws(ProbeEnd) -> Session {
        var attempt = Attempts(addresses)
        while let (address, deadline) = attempt.next(until: run.deadline) {
            do {
                let session = try await connect(to: address, by: deadline)
                if let notice = attempt.notice(living: address) { record.notices.append(notice) }
                return session
            } catch {
                guard attempt.goesOn(after: error) else { throw error }
            }
        }
        throw .failed(attempt.failure(host: target.host))
    }
}

/// The addresses of a name, at most three, each with its share of the time that is left.
struct Attempts {
    private let candidates: [String]
    private var index = 0
    private var dead: [(address: String, evidence: Evidence)] = []
    private var first: Failure?

    init(_ addresses: [String]) { candidates = Array(addresses.prefix(3)) }

    /// The next address and until when it may take to answer; nil when all were tried or the time is over.
    mutating func next(until deadline: Deadline) -> (address: String, deadline: Deadline)? {
        guard index < candidates.count, index == 0 || !deadline.isPassed else { return nil }
        defer { index += 1 }
        return (candidates[index], deadline.capped(to: max(deadline.remaining / (candidates.count - index), .seconds(1))))
    }

    /// Whether the failure belongs to the address that was tried, so that the next one may do better.
    mutating func goesOn(after end: ProbeEnd) -> Bool {
        guard case .failed(let failure) = end, failure.phase == .tcp, failure.cause != .probeInternal else { return false }
        dead.append((candidates[index - 1], failure.evidence.first ?? Evidence(.address, text: candidates[index - 1])))
        first = first ?? failure
        return true
    }

    /// A success after a dead address is a warning: every other connection of the application pays for it.
    func notice(living: String) -> Notice? {
        guard !dead.isEmpty else { return nil }
        let list = dead.map(\.address).joined(separator: ", ")
        return Notice(
            .addressDead, during: .tcp, detail: "The name also has the address \(list), which does not answer; \(living) does.",
            evidence: dead.map(\.evidence))
    }

    func failure(host: String) -> Failure {
        // Source: ares.h, ARES_ENODATA 1.
        guard var failure = first else { return Classifier.ares(code: 1, name: host) }
        failure.evidence = dead.map(\.evidence)
        return failure
    }
}

extension Facts {
    /// What may be kept of a token: who it is for and when it ends.
    mutating func describe(_ token: AccessToken) {
        tokenExpires = token.expires
        principal = token.claims.principal
        objectID = token.claims.objectID
        appID = token.claims.appID
        tenant = token.claims.tenant
    }
}
