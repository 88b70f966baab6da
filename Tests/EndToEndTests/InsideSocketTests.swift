// What stands behind the local socket may be anything: the command tells in one line what it met, and either goes on by itself or ends with
// its own number.
import Diagnosis
import Foundation
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct InsideSocketTests {
    /// Somebody at the socket, and what `agent diagnose orders` makes of it.
    struct Peer: Sendable, CustomTestStringConvertible {
        var what: String
        /// What it does with a connection, in Python: `c` is the socket, `plan` a good answer to the first question, `head` and `body` the
        /// beginning of an answer to the second one.
        var does: String
        var status: Int32
        var says: String
        /// Whether the command probes by itself.
        var isLocal: Bool
        var testDescription: String { what }
    }

    private static let peers = [
        Peer(
            what: "accepts and says nothing", does: "time.sleep(600)", status: 0, says: "does not answer; probing in this process",
            isLocal: true),
        Peer(what: "hangs up at once", does: "c.close()", status: 0, says: "went away before it answered", isLocal: true),
        Peer(
            what: "speaks another language", does: "c.sendall(b'220 mail ready\\r\\n'); c.close()", status: 0,
            says: "; probing in this process", isLocal: true),
        Peer(
            what: "is another program's web server", does: "answer(c, b'HTTP/1.1 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n')",
            status: 0,
            says: "is no agent of this version (HTTP 404); probing in this process", isLocal: true),
        Peer(
            what: "begins and falls silent", does: "answer(c, plan) if isPlan else time.sleep(600)", status: 75,
            says: "began and gave no report within", isLocal: false),
        Peer(
            what: "falls silent in the middle of its answer",
            does: "answer(c, plan) if isPlan else (answer(c, head + body), time.sleep(600))",
            status: 75, says: "began and gave no report within", isLocal: false),
        Peer(
            what: "is cut in the middle of its answer", does: "answer(c, plan) if isPlan else (answer(c, head + body), c.close())",
            status: 0,
            says: "went away before it answered; was it stopped?; probing in this process", isLocal: true),
        Peer(
            what: "is reset in the middle of its answer",
            does: """
                answer(c, plan) if isPlan else (answer(c, head + body), c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, \
                struct.pack('ii', 1, 0)), c.close())
                """, status: 0, says: "; probing in this process", isLocal: true),
        Peer(
            what: "is stopping", does: "answer(c, plan) if isPlan else answer(c, b'HTTP/1.1 503 X\\r\\nContent-Length: 0\\r\\n\\r\\n')",
            status: 0,
            says: "the running agent is stopping; probing in this process", isLocal: true),
        Peer(
            what: "has no place for one of two checks",
            does: """
                answer(c, plan) if isPlan else answer(c, b'HTTP/1.1 200 OK\\r\\nX-Agent-Exit: 75\\r\\nX-Agent-Unfinished: orders/app, crm/app\\r\\n\
                X-Agent-Crowded: orders/app\\r\\nContent-Length: 0\\r\\n\\r\\n')
                """, status: 75,
            says: "no place came free under limits.concurrency of the running agent; no result for orders/app. --local", isLocal: false),
        Peer(
            what: "gives an answer without its number",
            does: "answer(c, plan) if isPlan else answer(c, b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi')", status: 0,
            says: "answered with HTTP 200; probing in this process", isLocal: true),
    ]

    private static let modules = "import socket, struct, threading, time"

    /// A server of one thread per connection; the rest is the peer's.
    private static func script(_ path: String, _ does: String) -> String {
        """
        \(modules)
        def answer(c, data):
            c.sendall(data)
        limit = b'{"schema":1,"limit_seconds":0.5,"under_way":[]}'
        plan = b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n' % len(limit) + limit
        head = b'HTTP/1.1 200 OK\\r\\nAgent-Exit: 0\\r\\nContent-Length: 5000\\r\\n\\r\\n'
        body = b'half of a rep'
        def serve(c):
            try:
                isPlan = b'plan' in c.recv(65536).split(b'\\r\\n')[0]
                \(does)
                if isPlan: c.close()
            except OSError: pass
        s = socket.socket(socket.AF_UNIX); s.bind('\(path)'); s.listen()
        while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
        """
    }

    @Test("Whoever is at the socket, the command says what it met, ends in time, prints no half answer and keeps its numbers")
    func peers() async throws {
        try await withAgentBench { bench in
            for peer in Self.peers {
                let python = try Program(name: "/usr/bin/python3").start(["-c", Self.script(bench.socketPath, peer.does)])
                _ = try await eventually("somebody listens") { FileManager.default.fileExists(atPath: bench.socketPath) ? true : nil }
                let began = ContinuousClock.now
                let result = try await bench.run(["diagnose", "orders", "--output", "json"])
                #expect(ContinuousClock.now - began < .seconds(20), "\(peer.what)")
                #expect(result.status == peer.status, "\(peer.what): \(result.errors)\(python.errors)")
                let lines = result.errors.split(separator: "\n").filter { $0.contains("agent: ") && $0.contains(peer.says) }
                #expect(lines.count == 1, "\(peer.what): \(result.errors)")
                if peer.isLocal {
                    #expect(try jsonObject(result.output)["mode"] as? String == "local", "\(peer.what): \(result.output.prefix(200))")
                } else {
                    #expect(
                        result.output.allSatisfy(\.isWhitespace) && result.errors.contains("--local"),
                        "\(peer.what): \(result.output.prefix(200))")
                    let local = try await bench.run(["diagnose", "orders", "--local"])
                    #expect(local.status == 0 && !local.errors.contains("agent: "), "\(peer.what): --local asks nobody: \(local.errors)")
                }
                python.signal(SIGKILL)
                _ = await python.wait()
                // A socket that a dead process left behind refuses, and needs no word.
                if peer.what == "hangs up at once" {
                    let refused = try await bench.run(["diagnose", "orders", "--output", "json"])
                    #expect(refused.status == 0 && !refused.errors.contains("agent: "), "\(refused.errors)")
                    #expect(try jsonObject(refused.output)["mode"] as? String == "local")
                }
                try FileManager.default.removeItem(atPath: bench.socketPath)
            }
        }
    }
}
