// What happens on the simulated day: how long probes take, what breaks when, and for whom.
import Diagnosis
import Probes
import Schedule

/// A day of a fleet, the same in every run. Times are shares of the day, so that a shorter one has everything as well.
struct SimulatedWorld: Sendable {
    var checks: Int
    var begin: ContinuousClock.Instant
    var length: Duration

    /// Something that is broken for a while.
    struct Outage: Sendable {
        var name: String
        var from: Double
        var until: Double
        /// Which checks: every one whose number leaves this remainder.
        var every: Int
        var remainder: Int
        var cause: Cause
        var phase: Phase
        /// How long a probe takes until it has failed.
        var takes: Duration

        func holds(_ index: Int, _ share: Double) -> Bool { index % every == remainder && share >= from && share < until }
    }

    static let outages = [
        Outage(
            name: "a server restarts", from: 0.25, until: 0.29, every: 20, remainder: 3, cause: .tcpRefused, phase: .tcp,
            takes: .milliseconds(4)),
        Outage(
            name: "names do not resolve", from: 0.35, until: 0.39, every: 1, remainder: 0, cause: .dnsResolverError, phase: .dns,
            takes: .seconds(4)),
        Outage(
            name: "a firewall drops", from: 0.45, until: 0.5, every: 5, remainder: 1, cause: .tcpTimeout, phase: .tcp, takes: .seconds(15)),
        Outage(
            name: "the identity endpoint is ill", from: 0.65, until: 0.69, every: 1, remainder: 0, cause: .entraUnavailable, phase: .token,
            takes: .seconds(2)),
        Outage(
            name: "roles that were never made", from: 0, until: 2, every: 200, remainder: 7, cause: .loginPrincipalUnknown, phase: .login,
            takes: .milliseconds(25)),
    ]

    /// The part of the day before anything but the missing roles is broken: what routine costs is measured there.
    static let calm = 0.05..<0.24

    func share(at moment: ContinuousClock.Instant) -> Double { (moment - begin) / length }

    func outage(of index: Int, at moment: ContinuousClock.Instant) -> Outage? {
        let share = share(at: moment)
        return Self.outages.first { $0.holds(index, share) }
    }

    /// How many spans of failing probes there are: one for each check and outage. A check that is broken all day has one.
    var incidents: Int {
        (0..<checks).map { index in
            let met = Self.outages.filter { index % $0.every == $0.remainder }
            return met.contains { $0.until > 1 } ? 1 : met.count
        }.reduce(0, +)
    }
}

/// A probe of the simulated world: takes the time that a real one would, and sees what a real one would.
struct SimulatedProbe: Probe {
    var id: CheckID
    var target: Target
    var index: Int
    var world: SimulatedWorld
    var clock: SimulatedClock

    func observe(_ run: ProbeRun) async -> Observation? {
        let (begun, started) = (clock.now, clock.wall)
        var dice = Dice(seed: UInt64(index) &* 0x9E37_79B9 ^ UInt64(bitPattern: started.milliseconds))
        let outage = world.outage(of: index, at: begun)
        let isPartial = run.depth == .tls && outage?.phase != .token && outage?.phase != .dns && outage?.phase != .tcp
        var phases: [PhaseResult] = []
        var total = Duration.zero
        for phase in Phase.probed {
            if phase == .privileges {
                phases.append(PhaseResult(phase, .skipped(PhaseResult.nothingConfigured)))
            } else if let outage, !isPartial, outage.phase == phase {
                phases.append(PhaseResult(phase, .failed, duration: outage.takes))
                total += outage.takes
            } else if phases.contains(where: { $0.outcome == .failed }) || isPartial && (phase == .login || phase == .query) {
                phases.append(PhaseResult(phase, .skipped(isPartial ? "login paused" : "not reached")))
            } else {
                let range = Self.ranges[phase] ?? 0...0
                let took = Duration.microseconds(range.lowerBound + Int(dice.next() % UInt64(range.count)))
                phases.append(PhaseResult(phase, .ok, duration: phase == .token ? nil : took, isCached: phase == .token))
                total += took
            }
        }
        guard (try? await clock.sleep(until: min(begun + total, run.deadline.instant))) != nil else { return nil }
        let outcome: Observation.Outcome =
            if isPartial { .partial(.loginPaused) } else if let outage { .failed(failure(outage)) } else { .succeeded }
        return Observation(check: id, started: started, duration: clock.now - begun, phases: phases, outcome: outcome, facts: facts)
    }

    private func failure(_ outage: SimulatedWorld.Outage) -> Failure {
        Failure(
            outage.cause, during: outage.phase,
            evidence: [Evidence(.agent, text: "\(outage.name), seen by \(id)"), Evidence(.address, text: "10.20.\(index % 200).7:5432")])
    }

    /// A server keeps its facts, but for a new address in the middle of the day.
    private var facts: Facts {
        var facts = Facts()
        facts.addresses = ["10.20.\(index % 200).\(world.share(at: clock.now) < 0.55 ? 7 : 8)"]
        facts.address = facts.addresses[0]
        facts.serverVersion = "15.18"
        facts.tlsVersion = "TLSv1.3"
        facts.tlsCipher = "TLS_AES_256_GCM_SHA384"
        facts.sessionUser = "aad_orders"
        facts.currentUser = "aad_orders"
        facts.database = "orders"
        facts.isInRecovery = false
        facts.clockSkew = 0.002
        return facts
    }

    /// Of a network within a region. **Unit**: microseconds.
    private static let ranges: [Phase: ClosedRange<Int>] = [
        .token: 5...60, .dns: 300...3_000, .tcp: 500...2_500, .negotiate: 500...2_500, .tls: 3_000...9_000, .login: 8_000...30_000,
        .query: 700...3_000,
    ]
}

/// Random numbers that are the same in every run. Source: SplitMix64.
struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ (bits >> 27)) &* 0x94d0_49bb_1331_11eb
        return bits ^ (bits >> 31)
    }
}
