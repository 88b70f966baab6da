// Lines of state at the start, while history is still asked since when a check fails.
import Diagnosis
import Foundation
import Lab
import Logging
import Store
import Synchronization
import Testing

@testable import Commands

@Suite(.timeLimit(.minutes(2))) struct FirstLinesTests {
    private static func time(_ second: Int64) -> Timestamp { Timestamp(milliseconds: second * 1000) }
    private static let past = CheckPast(failingSince: [.identityNotAssigned: time(10)])

    private static func request(at second: Int64, isGood: Bool) -> TokenEvent {
        .request(
            TokenRequestResult(
                identity: "app", resource: .ossrdbms, source: .imds, time: time(second), duration: .zero,
                outcome: isGood
                    ? .acquired(expires: time(9000), isSameToken: false)
                    : .failed(Failure(.identityNotAssigned, during: .token))))
    }

    @Test("A first failure waits for history and then has the beginning that history knows; what follows it stays behind it")
    func waits() throws {
        let board = Board(targets: [], identities: ["app"])
        let told = Mutex<[StateLine]>([])
        let lines = FirstLines { line in told.withLock { $0.append(line) } }
        func record(_ event: TokenEvent) { if let line = board.record(event) { lines.tell(line) } }
        record(Self.request(at: 100, isGood: false))
        lines.tell(StateLine(time: Self.time(100), kind: .store, id: "/h.db", from: .unknown, to: .up))
        #expect(told.withLock { $0.map(\.kind) } == [.store], "what history knows nothing of does not wait")
        board.adopt([CheckID(watching: "app"): Self.past])
        lines.release(nil, board)
        let line = try #require(told.withLock { $0.last })
        #expect(line.kind == .identity && line.since == Self.time(10) && line.time == Self.time(100))
        record(Self.request(at: 101, isGood: true))
        #expect(told.withLock { $0.map(\.to) } == [.up, .down, .up], "at once")
    }

    @Test("A failure that is over when history answers is told as it was, and in order")
    func over() {
        let board = Board(targets: [], identities: ["app"])
        let told = Mutex<[StateLine]>([])
        let lines = FirstLines { line in told.withLock { $0.append(line) } }
        for (second, isGood) in [(100, false), (101, true)] {
            if let line = board.record(Self.request(at: Int64(second), isGood: isGood)) { lines.tell(line) }
        }
        #expect(told.withLock { $0.isEmpty })
        board.adopt([CheckID(watching: "app"): Self.past])
        lines.release(nil, board)
        #expect(told.withLock { $0.map(\.to) } == [.down, .up] && told.withLock { $0.map(\.since) } == [Self.time(100), Self.time(101)])
    }

    @Test("A good start waits for nobody, and neither does a newcomer's once history was asked about it")
    func newcomers() {
        let board = Board(targets: [], identities: ["app", "late"])
        let told = Mutex<[String]>([])
        let lines = FirstLines { line in told.withLock { $0.append(line.id) } }
        func line(_ id: String, _ to: CheckState) -> StateLine {
            StateLine(time: Self.time(1), kind: .identity, id: id, from: .unknown, to: to)
        }
        lines.tell(line("app", .up))
        lines.release(nil, board)
        lines.expect([CheckID(watching: "late")])
        lines.tell(line("late", .down))
        lines.tell(line("other", .down))
        #expect(told.withLock { $0 } == ["app", "other"])
        lines.release([CheckID(watching: "late")], board)
        #expect(told.withLock { $0 } == ["app", "other", "late"])
    }

    @Test("After a restart the line of a failure that lasts has the beginning that the page has, from before")
    func restart() async throws {
        try await withAgentBench { bench in
            // An hour in which the check worked, then failed for longer than an agent's first minute.
            let begin = Timestamp(milliseconds: Timestamp.now.milliseconds - 3_600_000)
            let store = HistoryStore(
                path: bench.historyPath, incidentsMayOpen: { true }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let check = CheckID(target: "orders", identity: "app")
            for (second, failure) in [(0, nil), (60, Failure(.tcpRefused, during: .tcp)), (120, Failure(.tcpRefused, during: .tcp))] {
                let phases = Phase.probed.map { phase in
                    phase == .tcp && failure != nil
                        ? PhaseResult(phase, .failed, duration: .zero) : PhaseResult(phase, .ok, duration: .zero)
                }
                store.record(
                    Observation(
                        check: check, started: begin + .seconds(second), duration: .milliseconds(5), phases: phases,
                        outcome: failure.map { .failed($0) } ?? .succeeded))
            }
            await store.close()
            try await bench.lab.faults.turnOn(.tcpRefused, target: "orders")
            let service = try await bench.startService(keepingHistory: true)
            let line = try await eventually("the line of the check") {
                service.program.output.split(separator: "\n").first { $0.contains("\"id\":\"orders/app\"") }.map(String.init)
            }
            let told = try jsonObject(line)
            #expect(told["from"] as? String == "unknown" && told["to"] as? String == "down", "\(line)")
            #expect(told["since"] as? String == (begin + .seconds(60)).description, "\(line)")
            #expect(told["time"] as? String ?? "" > told["since"] as? String ?? "", "\(line)")
            #expect(try await service.check("orders/app")["since"] as? String == told["since"] as? String)
            #expect(await service.program.stop().status == 0)
        }
    }
}
