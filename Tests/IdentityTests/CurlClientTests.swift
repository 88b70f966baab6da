// The HTTP client against servers that misbehave.
import Curl
import Diagnosis
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct CurlClientTests {
    private func withClient<R>(_ body: (CurlClient) async throws -> R) async throws -> R {
        let client = CurlClient()
        let result = try await body(client)
        await client.close()
        return result
    }

    private func failure(_ request: HTTPRequest, on client: CurlClient, within time: Duration = .seconds(5)) async -> CurlFailure? {
        do throws(CurlFailure) {
            _ = try await client.send(request, until: .in(time))
            return nil
        } catch { return error }
    }

    @Test("A reply of any status comes back with its body and the headers that are read")
    func replyComesBack() async throws {
        let step = ScriptedHTTPServer.Step.reply(
            429, headers: ["Retry-After": "7", "sErVeR": "IMDS/150", "Set-Cookie": "a=b"], body: "busy")
        try await ScriptedHTTPServer.serving([step]) { server in
            try await withClient { client in
                let reply = try await client.send(HTTPRequest(url: server.address + "/x"), until: .in(.seconds(5)))
                #expect(reply.status == 429)
                #expect(reply.body == Array("busy".utf8))
                #expect(reply.headers == [.retryAfter: "7", .server: "IMDS/150"])
                #expect(reply.timings.total > .zero)
                #expect(reply.timings.connect <= reply.timings.total)
            }
        }
    }

    @Test("An interim reply gives way to the final one")
    func interimReply() async throws {
        let bytes = Array("HTTP/1.1 103 Early Hints\r\nServer: first\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8)
        try await ScriptedHTTPServer.serving([.bytes(bytes)]) { server in
            try await withClient { client in
                let reply = try await client.send(HTTPRequest(url: server.address), until: .in(.seconds(5)))
                #expect(reply.status == 200)
                #expect(reply.headers[.server] == nil)
            }
        }
    }

    @Test("Headers, method and body arrive as given, and a secret arrives in its own header only")
    func requestArrives() async throws {
        try await ScriptedHTTPServer.serving([.reply(200)]) { server in
            try await withClient { client in
                let request = HTTPRequest(
                    .post, url: server.address + "/a?b=c",
                    headers: [.init("X-Secret", secret: Secret("canary")), .init("X-Empty", ""), .init("Content-Type", "text/x")],
                    body: Array("k=v".utf8))
                _ = try await client.send(request, until: .in(.seconds(5)))
                let seen = try #require(server.requests.first)
                #expect(seen.method == "POST" && seen.target == "/a?b=c" && seen.body == "k=v")
                #expect(seen.headers["x-secret"] == "canary")
                #expect(seen.headers["x-empty"]?.isEmpty == true)
                #expect(seen.headers["expect"] == nil)
                #expect(seen.headers.filter { $0.value.contains("canary") }.count == 1)
                #expect(!String(reflecting: request).contains("canary"))
            }
        }
    }

    @Test("A POST without a body sends an empty one")
    func emptyPost() async throws {
        try await ScriptedHTTPServer.serving([.reply(200)]) { server in
            try await withClient { client in
                _ = try await client.send(HTTPRequest(.post, url: server.address), until: .in(.seconds(5)))
                #expect(server.requests.first?.headers["content-length"] == "0")
            }
        }
    }

    @Test("A redirect is a reply like any other and is never followed")
    func redirectIsNotFollowed() async throws {
        try await ScriptedHTTPServer.serving([.reply(200)]) { other in
            try await ScriptedHTTPServer.serving([.reply(302, headers: ["Location": other.address])]) { server in
                try await withClient { client in
                    let reply = try await client.send(HTTPRequest(url: server.address), until: .in(.seconds(5)))
                    #expect(reply.status == 302)
                    #expect(reply.headers[.location] == other.address)
                    #expect(other.requests.isEmpty)
                }
            }
        }
    }

    struct Oversize: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
    }

    @Test(
        "A body beyond the limit ends the transfer, announced or not",
        arguments: [
            Oversize(
                testDescription: "10 MB announced",
                bytes: Array("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n".utf8) + Array(repeating: 0x61, count: 10_000_000)),
            Oversize(
                testDescription: "10 MB until the connection ends",
                bytes: Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + Array(repeating: 0x61, count: 10_000_000)),
            Oversize(
                testDescription: "headers without end",
                bytes: Array("HTTP/1.1 200 OK\r\n".utf8)
                    + Array(String(repeating: "X-Filler: 0123456789012345678901234567890123456789\r\n", count: 2000).utf8)),
        ])
    func bodyLimit(row: Oversize) async throws {
        try await ScriptedHTTPServer.serving([.bytes(row.bytes)]) { server in
            try await withClient { client in
                #expect(await failure(HTTPRequest(url: server.address), on: client)?.kind == .bodyTooLarge)
            }
        }
    }

    struct Slow: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var step: ScriptedHTTPServer.Step
    }

    @Test(
        "The deadline holds to a tenth of a second whatever the peer does",
        arguments: [
            Slow(testDescription: "silent", step: .silent),
            Slow(
                testDescription: "dribbling",
                step: .dribble(
                    Array(("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + String(repeating: "a", count: 500)).utf8),
                    every: .milliseconds(20))),
        ])
    func deadlineHolds(row: Slow) async throws {
        try await ScriptedHTTPServer.serving([row.step]) { server in
            try await withClient { client in
                let took = await bestOfFive(near: .milliseconds(400)) {
                    let seen = await failure(HTTPRequest(url: server.address), on: client, within: .milliseconds(400))
                    #expect(seen?.kind == .deadline)
                }
                #expect(took > .milliseconds(300) && took < .milliseconds(500))
                let open = try openConnections(to: server.port)
                #expect(open == 0)
            }
        }
    }

    @Test("A port that lets nobody in costs the connect limit, not the deadline")
    func connectLimit() async throws {
        let deaf = DeafPort()
        try await withClient { client in
            let began = ContinuousClock.now
            let request = HTTPRequest(url: "http://127.0.0.1:\(deaf.port)", connectTimeout: .milliseconds(300))
            let seen = await failure(request, on: client, within: .seconds(20))
            #expect(seen?.kind == .transfer && seen?.code == 28 && seen?.step == .connect)
            #expect(ContinuousClock.now - began < .seconds(5))
        }
    }

    @Test("A refused connection carries curl's number and the system's")
    func refused() async throws {
        let port = RefusingPort()
        try await withClient { client in
            let seen = await failure(HTTPRequest(url: "http://127.0.0.1:\(port.port)"), on: client)
            #expect(seen?.kind == .transfer && seen?.code == 7 && seen?.step == .connect)
            #expect(seen?.systemError == ECONNREFUSED)
            #expect(seen?.text.isEmpty == false)
        }
    }

    struct Malformed: Sendable { var url: String; var header: String }

    @Test(
        "What cannot be a request is refused before a connection is made",
        arguments: [
            Malformed(url: "", header: "x"),
            Malformed(url: "ftp://127.0.0.1/", header: "x"),
            Malformed(url: "file:///etc/hostname", header: "x"),
            Malformed(url: "http://user:pass@127.0.0.1/", header: "x"),
            Malformed(url: "http://127.0.0.1:1/", header: "x\r\nX-Injected: y"),
            Malformed(url: "http://127.0.0.1:1/\u{0}", header: "x"),
        ])
    func refusedRequests(row: Malformed) async throws {
        try await withClient { client in
            let seen = await failure(HTTPRequest(url: row.url, headers: [.init("X-A", row.header)]), on: client)
            #expect(seen != nil)
            #expect(seen?.code != 7, "a connection was tried")
        }
    }

    @Test("Bytes that are not HTTP are a failure with curl's number")
    func notHTTP() async throws {
        try await ScriptedHTTPServer.serving([.bytes(Array("220 smtp ready\r\n".utf8))]) { server in
            try await withClient { client in
                #expect(await failure(HTTPRequest(url: server.address), on: client)?.code == 8)
            }
        }
    }

    @Test("Cancelling closes the connection at once and is not a failure of the peer")
    func cancellation() async throws {
        try await ScriptedHTTPServer.serving([.silent]) { server in
            try await withClient { client in
                let request = HTTPRequest(url: server.address)
                let task = Task { await failure(request, on: client, within: .seconds(30)) }
                await server.received(atLeast: 1)
                task.cancel()
                #expect(await task.value?.kind == .cancelled)
                await server.closed(atLeast: 1)
                let open = try openConnections(to: server.port)
                #expect(open == 0)
            }
        }
    }

    @Test("A task that is cancelled before it sends sends nothing")
    func cancelledBefore() async throws {
        try await ScriptedHTTPServer.serving([.reply(200)]) { server in
            try await withClient { client in
                let request = HTTPRequest(url: server.address)
                let task = Task {
                    unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
                    return await failure(request, on: client)
                }
                #expect(await task.value?.kind == .cancelled)
                #expect(server.requests.isEmpty)
            }
        }
    }

    @Test("Closing ends what runs, and a closed client refuses what comes")
    func closing() async throws {
        try await ScriptedHTTPServer.serving([.silent]) { server in
            let client = CurlClient()
            let request = HTTPRequest(url: server.address)
            let task = Task { await failure(request, on: client, within: .seconds(30)) }
            await server.received(atLeast: 1)
            await client.close()
            #expect(await task.value?.kind == .closed)
            #expect(await failure(request, on: client)?.kind == .closed)
            await client.close()
        }
    }

    @Test("A hundred transfers at a time share one thread, and a silent one delays none of them")
    func manyAtATime() async throws {
        try await ScriptedHTTPServer.serving([.silent, .reply(200, body: "ok")]) { server in
            try await withClient { client in
                let request = HTTPRequest(url: server.address)
                let silent = Task { await failure(request, on: client, within: .seconds(30)) }
                await server.received(atLeast: 1)
                let statuses = await withTaskGroup(of: Int?.self) { group in
                    for _ in 0..<100 {
                        group.addTask { try? await client.send(request, until: .in(.seconds(20))).status }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(statuses == Array(repeating: 200, count: 100))
                silent.cancel()
                _ = await silent.value
                let open = try openConnections(to: server.port)
                #expect(open == 0)
            }
        }
    }

    @Test("Proxy variables of the environment are ignored")
    func proxyVariablesAreIgnored() async {
        await #expect(processExitsWith: .success) {
            // In a process of its own, because variables belong to the whole process.
            let dead = RefusingPort()
            for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"] {
                unsafe setenv(name, "http://127.0.0.1:\(dead.port)", 1)
            }
            try await ScriptedHTTPServer.serving([.reply(200)]) { server in
                let client = CurlClient()
                let reply = try await client.send(HTTPRequest(url: server.address), until: .in(.seconds(10)))
                guard reply.status == 200 else { exit(1) }
                await client.close()
            }
            exit(0)
        }
    }
}
