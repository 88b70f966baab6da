// Failures that share a report and keep their own words.
import Diagnosis
import Foundation
import GRDB
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct ReportWordsTests {
    struct Pair: Sendable {
        var base: String
        var text: String
        /// Nil when they cannot share.
        var difference: String?
    }

    @Test(
        "Only words with digits may differ, and few of them",
        arguments: [
            Pair(base: "gone since 07:15 for 3 min", text: "gone since 07:15 for 3 min", difference: ""),
            Pair(base: "gone since 07:15 for 3 min", text: "gone since 07:15 for 14 min", difference: "1=14"),
            Pair(base: "of 1 and 2 and more words around them", text: "of 3 and 4 and more words around them", difference: "0=3\n1=4"),
            Pair(base: "a text that ends in 1", text: "a text that ends in ab-2", difference: "0=ab-2"),
            Pair(base: "1 begins this", text: "1 began this", difference: nil),
            Pair(base: "it was 1 of them", text: "it was one of them", difference: nil),
            Pair(base: "it was one of 1", text: "it was 1 of 1", difference: nil),
            Pair(base: "more follows 1", text: "more follows 1.", difference: "0=1."),
            Pair(base: "more follows 1", text: "more follows 1, 2", difference: nil),
            Pair(base: "id 1", text: "id 123456789", difference: nil),
        ])
    func difference(row: Pair) {
        let difference = ReportWords.difference(row.text, from: row.base)
        #expect(difference == row.difference)
        if let difference { #expect(ReportWords.apply(difference, to: row.base) == row.text) }
    }

    @Test("Whatever can be told apart by words comes back to the byte")
    func roundTrip() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("ab01:-=\n\\\"éu ").map(String.init)
        var shared = 0
        for _ in 0..<20_000 {
            func text() -> String {
                (0..<Int.random(in: 0..<14, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "" }.joined()
            }
            let (base, new) = (text() + " and a long tail", text() + " and a long tail")
            guard let difference = ReportWords.difference(new, from: base) else { continue }
            shared += 1
            #expect(ReportWords.apply(difference, to: base) == new)
        }
        #expect(shared > 50)
    }

    @Test("A damaged difference changes what it can and never more", arguments: ["9=x1", "=", "a=b", "0", "1=y2\n0=x1", "0=\n\n"])
    func damaged(difference: String) {
        let text = ReportWords.apply(difference, to: "from 1 to 2")
        #expect(text.hasPrefix("from ") && text.contains(" to "))
    }

    @Test("What was told in other words is read as it was: from the log of failures, at a restart, and out of memory into the file")
    func everyReader() async throws {
        let scratch = try Scratch()
        var pace = StorePace()
        pace.reopen = .zero
        let path = scratch.folder + "/later/history.db"
        let store = HistoryStore(path: path, pace: pace, incidentsMayOpen: { true }, logger: quiet)
        let ids = (0..<5).map { _ in UUID().uuidString }
        for (second, id) in ids.enumerated() {
            var observation = Sample.failure(
                at: Double(second), .serverUnavailable, during: .login, text: "not available; the session tracing ID is '\(id)'.")
            observation.facts.wake = WakeLedger(logins: [Sample.time(0)], limit: 4)
            store.record(observation)
        }
        await store.flush()
        func told(_ history: some HistoryReading) async throws -> [String] {
            try await history.observations(HistoryQuery()).compactMap {
                $0.evidence.first?.text.split(separator: "'").dropFirst().first.map(String.init)
            }
        }
        #expect(try await told(store) == ids.reversed())
        try FileManager.default.createDirectory(atPath: scratch.folder + "/later", withIntermediateDirectories: false)
        for _ in 0..<2 { await store.flush() }
        #expect(store.status.mode == .file)
        await store.close()
        let file = HistoryFile(path: path)
        #expect(try await told(file) == ids.reversed())
        #expect(try await file.pasts()[Sample.orders]?.failedLogin?.failure?.evidence.first?.text.contains(ids[4]) == true)
        #expect(try await file.answer(TableQuestion(ask: { try Int.fetchOne($0, sql: "SELECT count(*) FROM report") })) == 1)
    }

    @Test("Another cause, or another step, is another report")
    func causes() async throws {
        let store = HistoryStore(path: nil, logger: quiet)
        for round in 0..<10 {
            store.record(Sample.failure(at: Double(round * 3), .tcpTimeout, during: .tcp, text: "no answer for \(round).5 s"))
            store.record(Sample.failure(at: Double(round * 3 + 1), .dnsResolverError, during: .dns, text: "no answer for \(round).5 s"))
            store.record(Sample.failure(at: Double(round * 3 + 2), .probeDeadline, during: .login, text: "no answer for \(round).5 s"))
        }
        await store.flush()
        let items = try await store.observations(HistoryQuery())
        #expect(items.prefix(3).map(\.cause) == [.probeDeadline, .dnsResolverError, .tcpTimeout])
        #expect(items.prefix(3).map(\.phase) == [.login, .dns, .tcp])
        #expect(items.allSatisfy { $0.evidence.first?.text == "no answer for \(Int(($0.time - Sample.epoch).seconds) / 3).5 s" })
        #expect(try await store.answer(TableQuestion(ask: { try Int.fetchOne($0, sql: "SELECT count(*) FROM report") })) == 3)
    }
}
