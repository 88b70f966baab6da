// Values that several suites start from.
@testable import Diagnosis

let noon = Timestamp(rfc3339: "2026-11-22T12:00:00.000Z") ?? Timestamp(milliseconds: 0)

enum Fixture {
    static let tenant = "11111111-2222-3333-4444-555555555555"
    static let objectID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
    static let appID = "99999999-8888-7777-6666-555555555555"
    static let audience = "https://ossrdbms-aad.database.windows.net"

    static func claims(
        audience: String? = Fixture.audience, expires: Timestamp? = noon + .seconds(3600), notBefore: Timestamp? = noon + .seconds(-600),
        groupOverage: Bool = false, resource: String? = nil
    ) -> TokenClaims {
        TokenClaims(
            audience: audience, tenant: tenant, issuer: "https://sts.windows.net/\(tenant)/", appID: appID, objectID: objectID,
            principal: .userAssigned, managedIdentityResource: resource, groupOverage: groupOverage, issuedAt: notBefore,
            notBefore: notBefore, expires: expires, uti: "uti")
    }

    static func context(
        claims: TokenClaims? = Fixture.claims(), tokenLength: Int? = 1700, port: Int = 5432, usedPassword: Bool = true,
        prediction: Failure? = nil, user: String = "aad_orders", isOwnProbe: Bool = true
    ) -> PostgresContext {
        PostgresContext(
            user: user, database: "orders", port: port, usedPassword: usedPassword, claims: claims, tokenLength: tokenLength, now: noon,
            prediction: prediction, host: "orders.postgres.database.azure.com", isOwnProbe: isOwnProbe)
    }

    static func target(
        _ name: String = "orders", host: String = "orders.postgres.database.azure.com", port: Int = 5432, database: String = "orders",
        user: String? = "aad_orders", identities: [String] = ["app"]
    ) -> Target {
        Target(name: name, engine: .postgresql, host: host, port: port, database: database, user: user, identities: identities)
    }

    static func certificate(ends: Timestamp = noon + .seconds(60 * 86400)) -> CertificateFacts {
        CertificateFacts(
            subject: "CN=orders.postgres.database.azure.com", issuer: "CN=Microsoft Azure RSA TLS Issuing CA 04",
            names: ["orders.postgres.database.azure.com"], notBefore: noon + .seconds(-86400), notAfter: ends, chainNotAfter: ends,
            sha256: "ab")
    }

    static func facts() -> Facts {
        var facts = Facts()
        facts.addresses = ["10.20.4.7"]
        facts.address = "10.20.4.7"
        facts.certificate = certificate()
        facts.tlsVersion = "TLSv1.3"
        facts.serverVersion = "15.18"
        facts.sessionUser = "aad_orders"
        facts.objectID = objectID
        facts.appID = appID
        facts.tokenExpires = noon + .seconds(3600)
        return facts
    }

    /// The phases of a probe that failed in `failed`, or went through.
    static func phases(failed: Phase? = nil) -> [PhaseResult] {
        var isOver = false
        return Phase.probed.map { phase in
            if phase == .privileges { return PhaseResult(phase, .skipped(PhaseResult.nothingConfigured)) }
            if isOver { return PhaseResult(phase, .skipped("not reached")) }
            if phase == failed {
                isOver = true
                return PhaseResult(phase, .failed, duration: .milliseconds(61))
            }
            return phase == .token
                ? PhaseResult(phase, .ok, isCached: true) : PhaseResult(phase, .ok, duration: .milliseconds(3))
        }
    }

    static func observation(
        _ check: CheckID, failure: Failure? = nil, facts: Facts = Fixture.facts(), notices: [Notice] = [], at time: Timestamp = noon
    ) -> Observation {
        Observation(
            check: check, started: time, duration: .milliseconds(82), phases: phases(failed: failure?.phase),
            outcome: failure.map(Observation.Outcome.failed) ?? .succeeded, facts: facts, notices: notices)
    }

    static func status(
        _ target: Target, identity: String = "app", failure: Failure? = nil, facts: Facts = Fixture.facts(), notices: [Notice] = []
    ) -> CheckStatus {
        let id = CheckID(target: target.name, identity: identity)
        var status = CheckStatus(id: id, target: target)
        if failure != nil { _ = status.apply(observation(id, at: noon + .seconds(-120))) }
        _ = status.apply(observation(id, failure: failure, facts: facts, notices: notices, at: noon + .seconds(-60)))
        return status
    }

    static func identity(
        _ name: String = "app", failure: Failure? = nil, tokenEnds: Timestamp? = noon + .seconds(10_080), isSameToken: Bool = false
    ) -> IdentityStatus {
        var status = IdentityStatus(name: name)
        func apply(_ outcome: TokenRequestResult.Outcome) {
            status.apply(
                .request(
                    TokenRequestResult(
                        identity: name, resource: .ossrdbms, source: .appService, time: noon + .seconds(-300), duration: .milliseconds(40),
                        outcome: outcome)))
        }
        if let tokenEnds { apply(.acquired(expires: tokenEnds, isSameToken: isSameToken)) }
        if let failure { apply(.failed(failure)) }
        return status
    }

    static func report(_ checks: [CheckStatus], _ identities: [IdentityStatus] = [], mode: Report.Mode = .inside) -> Report {
        let definitions = Set(checks.map(\.id.identity) + identities.map(\.name)).sorted().map {
            IdentityDefinition(name: $0, kind: .managedIdentity(.systemAssigned))
        }
        return Report.make(
            snapshot: Board.Snapshot(checks: checks, identities: identities), identities: definitions, mode: mode, host: "vm-orders-2",
            version: "0.1.0", now: noon)
    }
}
