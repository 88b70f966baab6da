// What a failure costs in the file when its words differ a little each time.
import Diagnosis
import Foundation
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct FailureSizeTests {
    struct Words: Sendable, CustomTestStringConvertible {
        var name: String
        /// **Unit**: bytes a failure at most.
        var limit: Double
        var failure: @Sendable (Int) -> Failure
        var testDescription: String { name }
    }

    static let wordings = [
        Words(name: "the same words", limit: 120) { _ in
            Failure(.tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "ECONNREFUSED, connection refused")])
        },
        Words(name: "an ended certificate and the time", limit: 150) { number in
            let now = Sample.time(Double(number) * 30.017)
            return Classifier.verify(
                code: 10, host: "orders.postgres.database.azure.com",
                certificate: CertificateFacts(
                    subject: "CN=orders.postgres.database.azure.com", issuer: "CN=Microsoft Azure RSA TLS Issuing CA 04",
                    names: ["orders.postgres.database.azure.com"], notBefore: Sample.time(-9_000_000), notAfter: Sample.time(-60),
                    chainNotAfter: Sample.time(90_000_000), sha256: String(repeating: "ab", count: 32)),
                now: now) ?? Failure(.unclassified, during: .tls)
        },
        Words(name: "a session tracing id", limit: 180) { _ in
            Failure(
                .serverUnavailable, during: .login,
                evidence: [
                    Evidence(
                        .tds, code: 40613,
                        text: """
                            Database 'orders' on server 'contoso.database.windows.net' is not currently available. Please retry the \
                            connection later. If the problem persists, contact customer support, and provide them the session tracing ID \
                            of '\(UUID().uuidString)'. (state 1, class 17)
                            """), Evidence(.address, text: "20.61.99.192:1433"),
                ], values: ["server_name": "contoso"])
        },
        Words(name: "Entra's trace, correlation and time", limit: 260) { number in
            Failure(
                .entraUnavailable, during: .token,
                evidence: [
                    Evidence(
                        .aadsts, code: "AADSTS90033",
                        text: """
                            AADSTS90033: A transient error has occurred. Please try again. Trace ID: \(UUID().uuidString.lowercased()) \
                            Correlation ID: \(UUID().uuidString.lowercased()) Timestamp: \(Sample.time(Double(number) * 30).description)
                            """)
                ])
        },
        Words(name: "a token that ended a while ago, by two gateways in turn", limit: 170) { number in
            Failure(
                .tokenExpired, during: .token,
                detail:
                    "The token ended \(Sample.time(-60).description), \(Span.long(.seconds(60 + number * 30))) ago by this host's clock.",
                evidence: [
                    Evidence(.claim, text: "exp is \(Sample.time(-60).description)"), Evidence(.address, text: "10.0.0.\(number % 2)"),
                ])
        },
    ]

    @Test("A failure costs little, whatever differs in its words, and says all of them when it is read", arguments: wordings)
    func bytes(row: Words) async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, queueLimit: 20_000, logger: quiet)
        await store.flush()
        let empty = scratch.size(scratch.path)
        var told: [Failure] = []
        for number in 0..<2000 {
            let failure = row.failure(number)
            told.append(failure)
            var observation = Sample.failure(at: Double(number) * 30, failure.cause, during: failure.phase)
            observation.outcome = .failed(failure)
            store.record(observation)
        }
        await store.flush()
        let items = try await store.observations(HistoryQuery(limit: 5000))
        #expect(items.map(\.evidence) == told.reversed().map(\.evidence))
        await store.close()
        let bytes = Double(scratch.size(scratch.path) - empty) / Double(told.count)
        print("bytes per failure, \(row.name): \(bytes)")
        #expect(bytes <= row.limit)
    }
}
