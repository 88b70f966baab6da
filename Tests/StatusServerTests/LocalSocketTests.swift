// The local socket over real files: who may have the place, who may use it, and what is left behind.
import Diagnosis
import Foundation
import Logging
import ServiceLifecycle
import Synchronization
import Telemetry
import Testing

@testable import StatusServer

/// A folder of one test, with a short path: a socket's may have 103 bytes.
private final class Folder: Sendable {
    let path = "/tmp/agent-socket-\(UUID().uuidString.prefix(8))"
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var socket: String { path + "/agent.sock" }
    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

private func server(
    _ socket: LocalSocket, _ metrics: Metrics = Metrics(), listen: [Endpoint] = [Endpoint(host: "127.0.0.1", port: 0)],
    onBound: @escaping @Sendable () -> Void = {}
) -> StatusServer {
    StatusServer(
        listen: listen, socket: socket, hosts: [],
        sources: StatusSources(
            exposition: { Samples.exposition(Samples.old()) }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
            readiness: { [] }, report: { Samples.report(Samples.old()) }), metrics: metrics,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onBound: { _ in onBound() })
}

/// Runs a server at the socket until `body` is done.
private func serving(_ path: String, _ metrics: Metrics = Metrics(), _ body: () async throws -> Void) async throws {
    let server = server(try LocalSocket(path: path), metrics)
    let running = Task { try await server.run() }  // Ended below.
    defer { running.cancel() }
    while mode(path) != 0o600 { try await Task.sleep(for: .milliseconds(5)) }
    try await body()
    running.cancel()
    _ = await running.result
}

/// Why the place cannot be had; nil when it can.
private func refusal(_ path: String) -> LocalSocket.Refusal? {
    do throws(LocalSocket.Refusal) {
        _ = try LocalSocket(path: path)
        return nil
    } catch {
        return error
    }
}

private func mode(_ path: String) -> Int? {
    try? FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
}

/// What `/livez` answers there, by a name that is nobody's.
private func ask(_ path: String) async throws -> String {
    try await runBeside("curl", ["-s", "-m", "10", "--unix-socket", path, "http://any.example/livez"]).output
}

@Suite(.timeLimit(.minutes(1))) struct LocalSocketTests {
    @Test("A place where no socket can be made is not held up for others by the attempt")
    func failedBind() async throws {
        // A folder that can be opened and in which nobody makes anything.
        let path = "/sys/agent-\(UUID().uuidString.prefix(8)).sock"
        let place = try LocalSocket(path: path)
        await #expect(throws: LocalSocket.Refusal.self) { try await server(place, listen: []).run() }
        #expect(refusal(path) == nil)
        withExtendedLifetime(place) {}
    }

    @Test("The socket answers under any name, is its owner's alone, and is gone after the stop")
    func serves() async throws {
        let folder = try Folder()
        try await serving(folder.socket) {
            #expect(mode(folder.socket) == 0o600)
            let answer = try await ask(folder.socket)
            #expect(answer == "ok\n")
        }
        #expect(folder.names == [])
    }

    @Test("A graceful stop takes the socket away as well")
    func gracefulStop() async throws {
        let folder = try Folder()
        let (bound, ready) = AsyncStream.makeStream(of: Void.self)
        let group = ServiceGroup(
            services: [server(try LocalSocket(path: folder.socket)) { ready.finish() }],
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await group.run() }  // Ended by the graceful stop.
        for await _ in bound {}
        while mode(folder.socket) != 0o600 { try await Task.sleep(for: .milliseconds(5)) }
        await group.triggerGracefulShutdown()
        try await running.value
        #expect(folder.names == [])
    }

    @Test("What a dead agent left is replaced")
    func stale() async throws {
        let folder = try Folder()
        // A socket whose listener is gone, as after a kill.
        let python = try await runBeside(
            "python3", ["-c", "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\(folder.socket)'); s.listen()"])
        #expect(python.status == 0 && folder.names == ["agent.sock"])
        try await serving(folder.socket) {
            let answer = try await ask(folder.socket)
            #expect(answer == "ok\n")
        }
    }

    @Test("The place of an agent that lives is not taken, and it goes on")
    func live() async throws {
        let folder = try Folder()
        try await serving(folder.socket) {
            let problem = refusal(folder.socket)
            let text = problem?.description ?? ""
            #expect(text.contains("process \(ProcessInfo.processInfo.processIdentifier)") && text.contains("server.socket"), "\(text)")
            let answer = try await ask(folder.socket)
            #expect(answer == "ok\n")
        }
    }

    @Test("Two that start at the same moment do not both find the place free")
    func race() async throws {
        let folder = try Folder()
        let first = try LocalSocket(path: folder.socket)
        let problem = refusal(folder.socket)
        #expect(problem?.description.contains("just taking") == true)
        withExtendedLifetime(first) {}
    }

    struct Bad: Sendable {
        var name: String
        var says: String
    }

    @Test(
        "What cannot be a socket is refused with the reason, and left alone",
        arguments: [
            Bad(name: "file", says: "is there and is no socket"), Bad(name: "link", says: "is there and is no socket"),
            Bad(name: "missing/agent.sock", says: "its folder does not exist"),
            Bad(name: "file/agent.sock", says: "its folder does not exist"),
            Bad(name: String(repeating: "s", count: 108), says: "103 at most can be used"),
        ])
    func bad(row: Bad) throws {
        let folder = try Folder()
        try "precious".write(toFile: folder.path + "/file", atomically: false, encoding: .utf8)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: folder.path + "/file")
        let problem = refusal("\(folder.path)/\(row.name)")
        #expect(problem?.description.contains(row.says) == true, "\(problem?.description ?? "")")
        #expect(folder.names == ["file", "link"])
        #expect(try String(contentsOfFile: folder.path + "/file", encoding: .utf8) == "precious")
    }

    @Test("The longest path that the system takes is served")
    func longest() async throws {
        let folder = try Folder()
        let path = folder.path + "/" + String(repeating: "s", count: 103 - folder.path.utf8.count - 1)
        #expect(path.utf8.count == 103)
        try await serving(path) {
            let answer = try await ask(path)
            #expect(answer == "ok\n")
        }
    }

    @Test("A process of another user is refused although the file would let it in")
    func foreignUser() async throws {
        let folder = try Folder()
        let metrics = Metrics()
        try await serving(folder.socket, metrics) {
            for (path, mode) in [(folder.path, 0o777), (folder.socket, 0o666)] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            }
            // Needs root, as the tests that start a server as a user of its own do.
            let result = try await runBeside(
                "setpriv",
                [
                    "--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "-m", "10", "--unix-socket", folder.socket,
                    "http://localhost/livez",
                ])
            #expect(result.status != 0 && result.output == "", "\(result)")
            let answer = try await ask(folder.socket)
            #expect(answer == "ok\n", "its own user is served as before")
        }
        let input = ExpositionInput(
            board: Board.Snapshot(checks: [], identities: []), metrics: metrics.snapshot, build: BuildInfo(version: "0"))
        #expect(try ParsedExposition(Exposition.render(input)).value("dbprobe_http_rejected_total", ["cause": "peer"]) == 1)
    }

    @Test("Who goes away while its answer is made is not worked for any longer")
    func departure() async throws {
        let folder = try Folder()
        let diagnosis = WaitingDiagnosis()
        let socket = try LocalSocket(path: folder.socket)
        let server = StatusServer(
            listen: [Endpoint(host: "127.0.0.1", port: 0)], socket: socket, hosts: [],
            sources: StatusSources(
                exposition: { Samples.exposition(Samples.old()) }, history: nil, liveness: { Liveness(lastTick: nil, period: .seconds(1)) },
                readiness: { [] }, report: { Samples.report(Samples.old()) }, diagnosis: diagnosis), metrics: Metrics(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { try await server.run() }  // Ended below.
        while mode(folder.socket) != 0o600 { try await Task.sleep(for: .milliseconds(5)) }
        let result = try await runBeside(
            "curl", ["-s", "-m", "0.5", "-X", "POST", "--unix-socket", folder.socket, "http://localhost/api/v1/diagnose"])
        #expect(result.status == 28, "curl gave up")
        for await _ in diagnosis.cancelled {}
        running.cancel()
        _ = await running.result
    }
}

/// Waits until it is cancelled.
private final class WaitingDiagnosis: Diagnosing {
    let cancelled: AsyncStream<Never>
    private let end: AsyncStream<Never>.Continuation

    init() { (cancelled, end) = AsyncStream<Never>.makeStream() }

    func plan(_ names: [String]) -> Result<DiagnosePlan, UnknownCheck> { .failure(UnknownCheck(known: [])) }
    func diagnose(_ question: DiagnoseQuestion) async -> Result<DiagnoseReply, UnknownCheck> {
        try? await Task.sleep(for: .seconds(3600))
        end.finish()
        return .success(.closed)
    }
    func end(_ run: String) {}
}
