import Testing

@testable import Diagnosis

@Suite struct CatalogueTests {
    @Test("Every cause says in whole sentences what it means and what to think of first", arguments: Cause.allCases)
    func causeHasWords(cause: Cause) {
        let row = cause.row
        for text in [row.means, row.hint] {
            #expect(text.hasSuffix("."))
            #expect(text.count > 20)
            #expect(text.first?.isUppercase == true)
        }
        #expect(row.means != row.hint)
        for engine in Engine.allCases {
            for source in TokenSourceKind.allCases {
                #expect(!row.next(engine: engine, source: source).isEmpty, "\(engine) \(source)")
                #expect(row.hint(engine: engine, source: source).hasSuffix("."), "\(engine) \(source)")
            }
        }
    }

    @Test("The words of no two causes are the same")
    func wordsAreUnique() {
        #expect(Set(Cause.allCases.map(\.row.means)).count == Cause.allCases.count)
        #expect(Set(Cause.allCases.map(\.hint)).count == Cause.allCases.count)
    }

    @Test("Whatever the product and the source, every cause offers something to look at, and offers it first", arguments: Cause.allCases)
    func lookComesFirst(cause: Cause) {
        for engine in Engine.allCases {
            for source in TokenSourceKind.allCases {
                let kinds = cause.row.remedies.filter { $0.applies(to: engine, source: source) }.map(\.kind)
                #expect(kinds.first == .look, "\(engine) \(source)")
                let lastLook = kinds.lastIndex(of: .look) ?? 0
                #expect(kinds[...lastLook].allSatisfy { $0 == .look }, "\(engine) \(source)")
            }
        }
    }

    struct Foreign: Sendable, CustomTestStringConvertible {
        var engine: Engine
        var words: [String]
        var testDescription: String { engine.rawValue }
    }

    private static let postgres = [
        "database postgres", "pgaadauth", "PgBouncer", "pg_", "PostgreSQL", "default privileges", "ON ALL", "without LOGIN", "pooler",
    ]

    @Test(
        "A person with one product is told nothing that only another has, whatever the phase",
        arguments: [
            Foreign(engine: .mysql, words: postgres + ["row-level security", "sys.", "az sql ", "EXTERNAL PROVIDER"]),
            Foreign(
                engine: .azuresql,
                words: postgres + ["max_connections", "95 percent", "MySQL", "mysql", "AADUSER", "flexible-server", "MariaDB"]),
        ])
    func nothingOfAnotherProduct(foreign: Foreign) {
        for cause in Cause.allCases {
            let row = cause.row
            let texts =
                [row.hint(engine: foreign.engine, source: nil)] + row.next(engine: foreign.engine, source: nil)
                + Phase.allCases.map { cause.hint(during: $0, engine: foreign.engine) }
                + row.remedies.filter { $0.applies(to: foreign.engine, source: nil) }.map { $0.filled(from: RemedyValues()).text }
            for text in texts {
                for word in foreign.words { #expect(!text.contains(word), "\(cause): \(text)") }
            }
        }
        for code in FindingCode.allCases {
            for remedy in code.row.remedies where remedy.applies(to: foreign.engine, source: nil) {
                for word in foreign.words { #expect(!remedy.filled(from: RemedyValues()).text.contains(word), "\(code)") }
            }
        }
    }

    @Test(
        "Where a login to Azure SQL was refused for good, there is more than something to look at",
        arguments: [
            Cause.loginPrincipalUnknown, .loginIdentityRecreated, .nativeLoginDisabled, .databaseUnknown, .databaseAccessDenied,
            .serviceThrottled, .connectionLimit, .serverStopped, .databaseReadOnly, .firewallDenied, .publicAccessDisabled,
            .serverIdentityGraph, .tlsProtocolMismatch,
        ])
    func azureSQLIsMended(cause: Cause) {
        #expect(cause.row.remedies.contains { $0.engine == .azuresql && $0.kind != .look }, "\(cause)")
    }

    @Test("A silent endpoint is told by its source: no link-local address and no assignment for one that is not IMDS")
    func endpointBySource() {
        let row = Cause.identityEndpointUnreachable.row
        func words(_ source: TokenSourceKind) -> String {
            let remedies = row.remedies.filter { $0.applies(to: .postgresql, source: source) }.map { $0.filled(from: RemedyValues()).text }
            return ([row.hint(engine: nil, source: source)] + row.next(engine: nil, source: source) + remedies).joined(separator: "\n")
        }
        #expect(words(.imds).contains("169.254.169.254") && words(.imds).contains("Not on Azure"))
        for source in TokenSourceKind.allCases where source != .imds {
            for word in ["169.254.169.254", "Not on Azure", "identity assign"] { #expect(!words(source).contains(word), "\(source)") }
        }
        #expect(words(.appService).contains("IDENTITY_ENDPOINT"))
    }

    @Test("With everything known, the only gaps left are those that no probe can fill", arguments: Cause.allCases)
    func remediesAreFilled(cause: Cause) {
        var values = RemedyValues()
        for gap in Placeholder.allCases { values[gap] = gap == .objectID || gap == .clientID ? Fixture.objectID : "known" }
        for template in cause.row.remedies {
            let text = template.filled(from: values).text
            for gap in Placeholder.allCases { #expect(!text.contains(gap.gap), "\(text)") }
            #expect(!text.contains("\\("), "\(text)")
            #expect(!text.contains("{"), "\(text)")
        }
    }

    @Test("Codes are snake case and never change their spelling by accident")
    func codesAreStable() {
        for cause in Cause.allCases {
            #expect(cause.rawValue.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }, "\(cause.rawValue)")
        }
        #expect(Set(Cause.allCases.map(\.rawValue)).count == Cause.allCases.count)
        for code in FindingCode.allCases { #expect(Cause(rawValue: code.rawValue) == nil) }
    }

    @Test(
        "Logins pause after causes that repeating cannot mend, and go on after the others",
        arguments: [
            (Cause.loginPrincipalUnknown, false), (.loginRefused, false), (.firewallDenied, false), (.serverUnavailable, true),
            (.connectionLimit, true), (.tcpTimeout, true), (.unclassified, true), (.tokenGroupsStale, true), (.entraUnavailable, true),
        ])
    func transience(cause: Cause, isTransient: Bool) { #expect(cause.isTransient == isTransient) }

    @Test("Every other finding has its row", arguments: FindingCode.allCases)
    func findingHasWords(code: FindingCode) {
        #expect(code.row.means.hasSuffix("."))
        #expect(code.row.hint.hasSuffix("."))
        #expect(code.row.remedies.first?.kind == .look)
    }
}

@Suite struct ExitStatusTests {
    struct Row: Sendable {
        var cause: Cause
        var phase: Phase
        var number: Int32

        init(_ cause: Cause, _ phase: Phase, _ number: Int32) { (self.cause, self.phase, self.number) = (cause, phase, number) }
    }

    @Test(
        "The number follows the group of the cause, and the phase only where the cause names no place",
        arguments: [
            Row(.firewallDenied, .login, 20), Row(.tcpTimeout, .tcp, 20), Row(.dnsNotFound, .dns, 20), Row(.dnsPublicForPrivate, .tcp, 20),
            Row(.tlsNotNegotiated, .login, 30), Row(.tlsNotNegotiated, .negotiate, 30), Row(.peerNotDatabase, .negotiate, 30),
            Row(.identityEndpointUnreachable, .token, 10), Row(.tokenExpired, .login, 10), Row(.entraUnavailable, .token, 10),
            Row(.loginPrincipalUnknown, .login, 40), Row(.databaseUnknown, .login, 40), Row(.connectionLimit, .login, 40),
            Row(.privilegeMissing, .query, 50), Row(.databaseReadOnly, .query, 50), Row(.queryFailed, .query, 60),
            Row(.connectionLost, .query, 60), Row(.configInvalid, .tls, 78), Row(.loginNameInvalid, .login, 78),
            Row(.probeInternal, .tcp, 70), Row(.probeInternal, .login, 70),
            Row(.probeDeadline, .token, 10), Row(.probeDeadline, .login, 40), Row(.unclassified, .dns, 20), Row(.unclassified, .tcp, 20),
            Row(.unclassified, .negotiate, 30), Row(.unclassified, .tls, 30), Row(.unclassified, .login, 40),
            Row(.unclassified, .query, 60),
            Row(.unclassified, .privileges, 50), Row(.unclassified, .config, 78), Row(.unclassified, .internal, 70),
        ])
    func number(row: Row) { #expect(ExitStatus(cause: row.cause, phase: row.phase).rawValue == row.number) }

    @Test("The numbers are the contract's")
    func numbers() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 10, 20, 30, 40, 50, 60, 64, 70, 75, 78, 130])
    }
}
