// A server of its own for each test, over real sockets.
import Diagnosis
import Foundation
import Logging
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

/// A server on a port of the system's choice, with sources that tests hold.
struct ServerBench: Sendable {
    let port: Int
    let metrics: Metrics

    func get(_ path: String, method: String = "GET", headers: [String] = ["Host: localhost"]) async throws -> Reply {
        try await RawClient.get(path, port: port, method: method, headers: headers)
    }

    func metric(_ name: String, _ labels: [String: String] = [:]) throws -> Double? {
        let input = ExpositionInput(
            board: Board.Snapshot(checks: [], identities: []), metrics: metrics.snapshot, build: BuildInfo(version: "0"))
        return try ParsedExposition(Exposition.render(input)).value(name, labels)
    }
}

private struct MemoryHistory: HistoryReading {
    var items: [HistoryItem]
    func observations(_ query: HistoryQuery) async throws(Failure) -> [HistoryItem] {
        if query.target == "broken" { throw Failure(.probeInternal, during: .internal, detail: "the file is gone") }
        return Array(items.filter { query.check == nil || $0.check == query.check }.prefix(query.limit))
    }

    func incidents(_ query: IncidentQuery) async throws(Failure) -> [Incident] {
        if query.target == "broken" { throw Failure(.probeInternal, during: .internal, detail: "the file is gone") }
        let incident = Incident(
            check: CheckID(target: "orders", identity: "app"), opened: Samples.now, lastFailure: Samples.now, failures: 2,
            causes: [Incident.CauseSpan(cause: .tcpRefused, phase: .tcp, time: Samples.now, failures: 2)])
        return query.check == nil || query.check == incident.check ? [incident] : []
    }
}

final class Renderings: Sendable {
    let count = Atomic(0)
}

func withServer(
    limits: StatusServer.Limits = .init(), hosts: [String] = [], board: Board = Samples.old(), renderings: Renderings = Renderings(),
    _ body: (ServerBench) async throws -> Void
) async throws {
    let metrics = Metrics()
    let history = MemoryHistory(
        items: (0..<5).map {
            HistoryItem(
                check: CheckID(target: "orders", identity: "app"), time: Samples.now + .seconds(-$0), state: .up, cause: nil, phase: nil,
                duration: .milliseconds(20), phases: Samples.phases(), evidence: [], isPartial: false)
        })
    let sources = StatusSources(
        exposition: {
            renderings.count.add(1, ordering: .relaxed)
            var input = Samples.exposition(board)
            input.metrics = metrics.snapshot
            return input
        }, history: history, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
        readiness: {
            [ReadinessCondition("configuration", isMet: true), ReadinessCondition("schedule", isMet: false, detail: "not armed")]
        },
        report: { Samples.report(board) })
    let (ports, ready) = AsyncStream.makeStream(of: Int.self)
    let server = StatusServer(
        listen: [Endpoint(host: "127.0.0.1", port: 0)], hosts: HostNames(hosts), sources: sources, metrics: metrics,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, limits: limits, onBound: { ready.yield($0[0].port) })
    let running = Task { try await server.run() }  // Ended below, before this function returns.
    defer { running.cancel() }
    for await port in ports {
        try await body(ServerBench(port: port, metrics: metrics))
        break
    }
    running.cancel()
    _ = await running.result
}
