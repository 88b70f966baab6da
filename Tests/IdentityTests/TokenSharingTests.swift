// Many callers, one endpoint: sharing, renewal, cancellation, the cap on requests, the watch.
import Curl
import Diagnosis
import TestSupport
import Testing

@testable import Identity

@Suite(.timeLimit(.minutes(1))) struct TokenSharingTests {
    @Test("A hundred callers at once make one request, and later ones none")
    func singleFlight() async throws {
        try await IdentityBench.run(script: [.held(.reply(200, body: tokenBody()))]) { bench in
            let source = try #require(bench.identities.source(named: "app"))
            let cached = try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<100 { group.addTask { try await source.token(for: .ossrdbms, until: .in(.seconds(20))).isCached } }
                await bench.server.received(atLeast: 1)
                bench.server.release()
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(cached.count == 100)
            #expect(bench.server.requests.count == 1)
            let later = try await bench.token()
            #expect(later.isCached)
            #expect(bench.server.requests.count == 1)
            #expect(bench.events.requests.count == 1)
            #expect(bench.events.lookups.hits + bench.events.lookups.misses == 101)
        }
    }

    @Test("An identity that stays in a new configuration keeps its token; one that is changed begins anew and the old one falls silent")
    func replacement() async throws {
        try await IdentityBench.run(count: 2, script: [.reply(200, body: tokenBody())]) { bench in
            _ = try await bench.token("app")
            _ = try await bench.token("app2")
            #expect(bench.server.requests.count == 2)
            let old = try #require(bench.identities.source(named: "app2"))
            let changed = IdentityDefinition(
                name: "app2", kind: .managedIdentity(.clientID("6f2c1f0e-0000-0000-0000-000000000000")))
            let stays = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
            bench.identities.replace([stays, changed], cloud: .public)
            #expect(try await bench.token("app").isCached)
            #expect(bench.server.requests.count == 2)
            #expect(try await bench.token("app2").isCached == false)
            #expect(bench.server.requests.count == 3)
            let told = bench.events.all.count
            _ = try await old.token(for: .ossrdbms, until: .in(.seconds(20)))
            #expect(bench.events.all.count == told, "what is no longer configured is not told of")
            bench.identities.replace([changed], cloud: .public)
            #expect(bench.identities.source(named: "app") == nil)
            #expect(Array(bench.identities.sourceKinds.keys) == ["app2"])
            bench.identities.replace([changed], cloud: .china)
            #expect(try await bench.token("app2").isCached == false, "another cloud, another token")
        }
    }

    @Test("The watch takes up identities that come later and leaves those that go")
    func watchFollows() async throws {
        try await IdentityBench.run(script: [.reply(200, body: tokenBody())]) { bench in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await bench.identities.watch() }
                await bench.server.received(atLeast: 1)
                let other = IdentityDefinition(
                    name: "late", kind: .managedIdentity(.clientID("6f2c1f0e-0000-0000-0000-000000000000")))
                bench.identities.replace([other], cloud: .public)
                await bench.server.received(atLeast: 2)
                group.cancelAll()
            }
            #expect(bench.server.requests.last?.query["client_id"] == "6f2c1f0e-0000-0000-0000-000000000000")
        }
    }

    @Test("Each resource has a token of its own")
    func resources() async throws {
        try await IdentityBench.run(script: [.reply(200, body: tokenBody())]) { bench in
            _ = try await bench.token(for: .ossrdbms)
            _ = try await bench.token(for: .azuresql)
            #expect(
                bench.server.requests.map { $0.query["resource"] } == [
                    "https%3A%2F%2Fossrdbms-aad.database.windows.net", "https%3A%2F%2Fdatabase.windows.net%2F",
                ])
        }
    }

    @Test("A caller that is cancelled ends at once and leaves the request to the others")
    func cancellation() async throws {
        try await IdentityBench.run(script: [.held(.reply(200, body: tokenBody()))]) { bench in
            let source = try #require(bench.identities.source(named: "app"))
            let first = Task { try await source.token(for: .ossrdbms, until: .in(.seconds(20))) }
            await bench.server.received(atLeast: 1)
            let second = Task { try await source.token(for: .ossrdbms, until: .in(.seconds(20))) }
            first.cancel()
            await #expect(performing: { _ = try await first.value }, throws: { if case ProbeEnd.cancelled = $0 { true } else { false } })
            bench.server.release()
            _ = try await second.value
            #expect(bench.server.requests.count == 1)
            #expect(bench.events.requests.count == 1)
        }
    }

    @Test("A pause that outlasts the deadline is not waited for")
    func fastFailure() async throws {
        try await IdentityBench.run(.imds, script: [.reply(429, headers: ["Retry-After": "30"])]) { bench in
            let began = ContinuousClock.now
            let failure = try await bench.failure(within: .seconds(10))
            #expect(failure.cause == .entraUnavailable)
            #expect(ContinuousClock.now - began < .seconds(8))
            #expect(bench.events.throttled == 1)
            // The order of the source stands: the next caller does not ask.
            let second = try await bench.failure(within: .seconds(10))
            #expect(second.cause == .entraUnavailable)
            #expect(bench.server.requests.count == 1)
        }
    }

    @Test("A caller whose deadline has passed before it asks is answered all the same")
    func passedDeadline() async throws {
        try await IdentityBench.run(script: [.silent]) { bench in
            let failure = try await bench.failure(within: .seconds(-1))
            #expect(failure.phase == .token)
        }
    }

    @Test("Retry-After is waited for when there is time, and the wish holds the other identities too")
    func retryAfter() async throws {
        let clock = SkippingTime(skipping: .seconds(15))
        let script: [ScriptedHTTPServer.Step] = [.reply(429, headers: ["Retry-After": "6"]), .reply(200, body: tokenBody())]
        try await IdentityBench.run(.imds, count: 2, time: clock.time, script: script) { bench in
            let story = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(60)))
            guard case .acquired(let acquired) = story.outcome else { throw Unexpected("no token") }
            #expect(story.attempts.map(\.status) == [429, 200])
            #expect(story.attempts.first?.pause == .seconds(6) && story.attempts.first?.retryAfter == .seconds(6))
            #expect(!acquired.isCached && !acquired.isSameToken)
            #expect(clock.pauses.contains { $0 > .seconds(5) })
        }
    }

    @Test("A failing source costs the callers in the next seconds nothing")
    func failureIsShared() async throws {
        try await IdentityBench.run(script: [.reply(400, body: #"{"message":"No User Assigned or Delegated Managed Identity found"}"#)]) {
            bench in
            for _ in 0..<200 {
                let failure = try await bench.failure()
                #expect(failure.cause == .identityNotAssigned)
            }
            #expect(bench.server.requests.count == 1)
            #expect(bench.events.requests.count == 1)
        }
    }

    @Test("A token that has not ended is used while the source is ill, and the reason comes with it")
    func illSource() async throws {
        let clock = SkippingTime(skipping: .seconds(15))
        let script: [ScriptedHTTPServer.Step] = [.reply(200, body: tokenBody(expiresIn: 3600)), .reply(500)]
        try await IdentityBench.run(time: clock.time, script: script) { bench in
            let first = try await bench.token()
            #expect(!first.isCached && first.renewalFailure == nil)
            clock.advance(by: .seconds(3400))
            let second = try await bench.token()
            #expect(second.isCached && second.renewalFailure?.cause == .entraUnavailable)
            #expect(second.token.fingerprint == first.token.fingerprint)
            clock.advance(by: .seconds(300))
            let third = try await bench.failure(within: .seconds(100))
            #expect(third.cause == .entraUnavailable, "a token that has ended is not handed out")
        }
    }

    @Test("The same token again is reported as the same")
    func sameToken() async throws {
        try await IdentityBench.run(script: [
            .reply(200, body: tokenBody()), .reply(200, body: tokenBody()), .reply(200, body: tokenBody("other")),
        ]) { bench in
            for _ in 0..<3 { _ = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: true, until: .in(.seconds(5))) }
            let same: [Bool] = bench.events.requests.compactMap { result in
                if case .acquired(_, let isSame) = result.outcome { isSame } else { nil }
            }
            #expect(same == [false, true, false])
        }
    }

    @Test("The story of an acquisition tells where, for whom and how, and never what")
    func story() async throws {
        let id = "6f2c1f0e-0000-0000-0000-000000000000"
        try await IdentityBench.run(selector: .clientID(id), script: [.reply(200, body: tokenBody(clientID: id))]) { bench in
            let story = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(5)))
            #expect(story.source == .appService && story.apiVersion == "2019-08-01")
            #expect(story.place == bench.server.address + "/msi/token")
            #expect(story.parameter == "client_id=" + id)
            #expect(story.resource == "https://ossrdbms-aad.database.windows.net")
            guard case .acquired(let acquired) = story.outcome else { throw Unexpected("no token") }
            #expect(acquired.clientID == id && !acquired.isCached)
            let again = try await bench.identities.acquire(named: "app", for: .ossrdbms, fresh: false, until: .in(.seconds(5)))
            guard case .acquired(let cached) = again.outcome else { throw Unexpected("no token") }
            #expect(cached.isCached && again.attempts.isEmpty)
            let shown =
                everything(about: story) + everything(about: again) + everything(about: bench.events.all)
                + everything(about: bench.log.all)
            #expect(!bench.log.all.isEmpty)
            #expect(!shown.contains(Canary.token) && !shown.contains(Canary.header))
        }
    }

    @Test("A name that the configuration does not have is no identity")
    func unknownName() async throws {
        try await IdentityBench.run(script: []) { bench in
            #expect(bench.identities.source(named: "nobody") == nil)
            await #expect(
                performing: {
                    _ = try await bench.identities.acquire(named: "nobody", for: .ossrdbms, fresh: false, until: .in(.seconds(1)))
                },
                throws: { if case ProbeEnd.failed(let failure) = $0 { failure.cause == .configInvalid } else { false } })
        }
    }

    @Test("Ten identities at once stay under five requests a second and two at a time")
    func rateCap() async throws {
        // Measured where the requests arrive; a machine that stalls may bring two of them together, a cap that fails does it each time.
        var tightest = Duration.zero
        for _ in 0..<3 where tightest <= .seconds(1) {
            tightest = try await IdentityBench.run(.imds, count: 10, script: [.reply(200, body: tokenBody())]) { bench in
                let names = (1...10).map { $0 == 1 ? "app" : "app\($0)" }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for name in names { group.addTask { _ = try await bench.token(name) } }
                    try await group.waitForAll()
                }
                let times = bench.server.requests.map(\.time).sorted()
                #expect(times.count == 10)
                #expect(bench.server.mostOpen <= 2)
                #expect(bench.events.throttled >= 8)
                return (5..<times.count).map { times[$0] - times[$0 - 5] }.min() ?? .zero
            }
        }
        #expect(tightest > .seconds(1), "no six requests within a second")
    }

    @Test("Two silent requests hold the places, and the third is told that it never got one")
    func heldBack() async throws {
        try await IdentityBench.run(.imds, count: 3, script: [.silent]) { bench in
            let holders = try ["app", "app2"].map { name in
                let source = try #require(bench.identities.source(named: name))
                return Task { try await source.token(for: .ossrdbms, until: .in(.seconds(30))) }
            }
            await bench.server.received(atLeast: 2)
            let failure = try await bench.failure("app3", within: .milliseconds(300))
            #expect(failure.cause == .probeDeadline)
            #expect(failure.detail?.contains("waiting behind others") == true)
            #expect(bench.server.requests.count == 2)
            for holder in holders { holder.cancel() }
        }
    }

    @Test("Twenty identities learn in the time of one that nobody can connect to the endpoint")
    func outageIsShared() async throws {
        let deaf = DeafPort()
        let http = CurlClient()
        let events = EventLog()
        let names = (1...20).map { "app\($0)" }
        let identities = Identities(
            definitions: names.map { IdentityDefinition(name: $0, kind: .managedIdentity(.systemAssigned)) }, cloud: .public,
            environment: IdentityEnvironment(imdsAuthority: "http://127.0.0.1:\(deaf.port)"), http: http,
            onEvent: { events.add($0) }, logger: IdentityBench.silent)
        let began = ContinuousClock.now
        let stories = try await withThrowingTaskGroup(of: TokenAcquisition.self) { group in
            for name in names {
                group.addTask { try await identities.acquire(named: name, for: .ossrdbms, fresh: false, until: .in(.seconds(15))) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ContinuousClock.now - began < .seconds(8))
        let causes = stories.map { if case .failed(let failure) = $0.outcome { failure.cause } else { Cause.unclassified } }
        #expect(causes == Array(repeating: .identityEndpointUnreachable, count: 20))
        #expect(events.requests.count == 20, "each identity has its verdict")
        #expect(stories.flatMap(\.attempts).count <= 2)
        await http.close()
    }

    @Test("The watch asks for every identity, also one that nobody uses, and ends when it is cancelled")
    func watch() async throws {
        let clock = SkippingTime(skipping: .seconds(400))
        try await IdentityBench.run(count: 2, time: clock.time, script: [.reply(200, body: tokenBody())]) { bench in
            // Beside the test, which cancels it below.
            let watch = Task { await bench.identities.watch() }
            await bench.server.received(atLeast: 8)
            watch.cancel()
            await watch.value
            #expect(Set(bench.events.requests.map(\.identity)) == ["app", "app2"])
            #expect(bench.events.lookups.misses == 0, "nobody looked one up")
        }
    }

    @Test("The watch asks for the tokens that an identity's targets take, and for no other, also when they change")
    func watchedResources() async throws {
        let clock = SkippingTime(skipping: .seconds(400))
        try await IdentityBench.run(count: 1, time: clock.time, script: [.reply(200, body: tokenBody())]) { bench in
            let definition = IdentityDefinition(name: "app", kind: .managedIdentity(.systemAssigned))
            bench.identities.replace([definition], uses: ["app": [.azuresql]], cloud: .public)
            // Beside the test, which cancels it below.
            let watch = Task { await bench.identities.watch() }
            await bench.server.received(atLeast: 3)
            #expect(Set(bench.events.requests.map(\.resource)) == [.azuresql])
            bench.identities.replace([definition], uses: ["app": [.ossrdbms]], cloud: .public)
            let before = bench.server.requests.count
            await bench.server.received(atLeast: before + 5)
            watch.cancel()
            await watch.value
            #expect(bench.events.requests.suffix(2).map(\.resource) == [.ossrdbms, .ossrdbms])
        }
    }

    @Test("Closing the HTTP client ends those who wait without a verdict")
    func closing() async throws {
        try await IdentityBench.run(script: [.silent]) { bench in
            let source = try #require(bench.identities.source(named: "app"))
            let waiter = Task { try await source.token(for: .ossrdbms, until: .in(.seconds(30))) }
            await bench.server.received(atLeast: 1)
            await bench.http.close()
            await #expect(performing: { _ = try await waiter.value }, throws: { if case ProbeEnd.cancelled = $0 { true } else { false } })
            #expect(bench.events.requests.isEmpty)
        }
    }
}
