// A server was shown the token and may quote it anywhere; none of that comes back to whoever prints failures and facts.

import Lab
import Testing

@testable import TDS

@Suite(.timeLimit(.minutes(1))) struct QuotedTokenTests {
    private func bench(_ change: (inout AzureSQLScript) -> Void) async throws -> Bench {
        var script = AzureSQLScript.standard()
        change(&script)
        return try await Bench(script)
    }

    @Test("A token that the server quotes is in no failure")
    func quotedToken() async throws {
        let token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2RhdGFiYXNlIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
        let bench = try await bench { script in
            script.admit = { _ in
                [
                    TDSServerMessage(number: 40608, state: 1, class: 0, text: "You sent \(token.dropFirst(30)) and more."),
                    TDSServerMessage(
                        number: 18456, state: 1, class: 14, text: "The token '\(token)' is refused; it begins with \(token.prefix(40))."),
                ]
            }
        }
        let seen = try await failure {
            _ = try await TDSConnection.connect(
                to: bench.target, token: TDSAccessToken(token), options: bench.options(), until: .now + .seconds(20))
        }
        #expect(
            seen.messages.map(\.text) == ["You sent <redacted> and more.", "The token '<redacted>' is refused; it begins with <redacted>."])
        var dumped = ""
        dump(seen, to: &dumped)
        for start in stride(from: 0, to: token.count - 12, by: 4) { #expect(!dumped.contains(token.dropFirst(start).prefix(12))) }
        await bench.stop()
    }

    /// Where a server can put the token so that it comes back among what was learned.
    enum Quotation: CaseIterable, Sendable {
        case route, lowerCaseRoute, routeWithinService, database, program, notice, databaseOfFailure
    }

    @Test("Nor does any part of it come back in facts, of a login that worked or not, or with a redirect", arguments: Quotation.allCases)
    func quotedInFacts(place: Quotation) async throws {
        let token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2RhdGFiYXNlIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
        let piece = String(token.prefix(40))
        let bench = try await bench { script in
            switch place {
            case .route: script.route = Route(server: "\(token).example", port: 1433)
            case .lowerCaseRoute: script.route = Route(server: "\(token.lowercased()).example", port: 1433)
            case .routeWithinService: script.route = Route(server: "localhost\\\(piece)", port: 1433)
            case .database, .program, .notice, .databaseOfFailure:
                script.welcome = { tokens in
                    let said: [ReplyToken] =
                        switch place {
                        case .notice: [.info(TDSServerMessage(number: 5701, state: 1, class: 0, text: "Now in '\(piece)'."))]
                        case .program:
                            [
                                .loginAcknowledgement(
                                    LoginAcknowledgement(tdsVersion: TDSVersion.v74, program: piece, major: 12, minor: 0, build: 1))
                            ]
                        default: [.environmentChange(.database(new: piece, old: ""))]
                        }
                    let others = tokens.filter { token in
                        switch (place, token) {
                        case (.program, .loginAcknowledgement), (.database, .environmentChange(.database)),
                            (.databaseOfFailure, .environmentChange(.database)):
                            false
                        // Without the acknowledgement of the token the login is a failure.
                        case (.databaseOfFailure, .featureAcknowledgements): false
                        default: true
                        }
                    }
                    return said + others
                }
            }
        }
        var dumped = ""
        do {
            let connection = try await TDSConnection.connect(
                to: bench.target, token: TDSAccessToken(token), options: bench.options(), until: .now + .seconds(20))
            dump(connection.facts, to: &dumped)
            #expect([.database, .program, .notice].contains(place))
            await connection.close()
        } catch {
            dump(error, to: &dumped)
            #expect(![.database, .program, .notice].contains(place), "\(error)")
        }
        let seen = dumped.lowercased()
        let lower = token.lowercased()
        for start in stride(from: 0, to: token.count - 12, by: 4) { #expect(!seen.contains(lower.dropFirst(start).prefix(12))) }
        await bench.stop()
    }

    @Test("What a server says in its own words is left as it is")
    func unquoted() {
        let token = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL2RhdGFiYXNlIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
        let scrubber = TokenScrubber(TDSAccessToken(token))
        var facts = TDSFacts()
        (facts.program, facts.database, facts.redirectedTo) = ("Microsoft SQL Server", "billing", "w1.tr1.database.windows.net:11000")
        facts.notices = [TDSServerMessage(number: 5701, state: 1, class: 0, text: "Changed database context to 'eyJhbGciOiJ'.")]
        #expect(scrubber.scrubbed(facts) == facts)
        // A token so short that no run of it would be rare.
        #expect(TokenScrubber(TDSAccessToken("abc")).scrubbed(facts) == facts)
        #expect(TokenScrubber(TDSAccessToken("")).scrubbed(facts) == facts)
    }
}
