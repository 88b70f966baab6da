// The command `diagnose` when a running agent does the work: asks, shows who is waited for, and passes Ctrl-C on.
import ArgumentParser
import Curl
import Diagnosis
import Settings
import UnixSignals

/// One diagnosis by the running agent.
struct InsideDiagnose: Sendable {
    let agent: InsideAgent
    let selection: CheckSelection
    let output: OutputFormat
    let failOn: Severity
    let timeout: Duration?
    /// Whether a sleeping database may be woken.
    let wakes: Bool

    /// How long the answer may come after the moment at which the agent has to give it.
    private static let grace = Duration.seconds(2)

    enum Outcome: Sendable {
        /// The report is printed.
        case done(Int32)
        /// The agent cannot do it; why, if there is something to tell.
        case notAnswered(String?)
    }

    /// **Throws**: ends the program with the usage status when a name fits nothing that the agent knows.
    func run() async throws -> Outcome {
        let limit: Duration
        switch try await plan() {
        case .success(let planned): limit = planned
        case .failure(let trouble): return .notAnswered(trouble.message)
        }
        let began = ContinuousClock.now
        let name = String(UInt64.random(in: .min ... .max), radix: 36)
        let outcome = await ask(name, within: timeout.map { $0 + Self.grace } ?? limit + Self.grace)
        switch outcome {
        case .success(let reply): return show(reply)
        case .failure(.interrupted):
            Terminal.note("agent: interrupted; the running agent gave no report")
            return .done(ExitStatus.interrupted.rawValue)
        case .failure(.trouble(.silent)):
            Terminal.note(
                "agent: the running agent began and gave no report within \(Span.short(ContinuousClock.now - began)); --local probes without it"
            )
            return .done(ExitStatus.unfinished.rawValue)
        case .failure(.trouble(let trouble)): return .notAnswered(trouble.message(agent.path))
        }
    }

    private struct NoPlan: Error { var message: String? }

    /// How long the agent takes at most; also whether there is one.
    private func plan() async throws -> Result<Duration, NoPlan> {
        let reply: HTTPReply
        do throws(InsideAgent.Trouble) {
            // Half of a short time is left for this process, should nobody answer.
            reply = try await agent.send(.get, selection.uri(["plan"]), within: min(InsideAgent.greeting, (timeout ?? .seconds(60)) / 2))
        } catch {
            return .failure(NoPlan(message: error.message(agent.path)))
        }
        let document = JSON(parsing: String(decoding: reply.body, as: UTF8.self))
        if reply.status == 400, let known = document?["known"]?.items?.compactMap(\.text) {
            let names = selection.names.filter { !known.contains($0) }.map { "'\(Redactor.scrub($0))'" }.joined(separator: ", ")
            Terminal.note(
                """
                agent: the running agent has no target or check \(names). Known: \(known.map(Redactor.scrub).joined(separator: ", ")). \
                With --local this process probes what the file says now.
                """)
            throw ExitCode(ExitStatus.usage.rawValue)
        }
        guard reply.status == 200, let seconds = document?["limit_seconds"]?.number else {
            return .failure(
                NoPlan(message: "what answers at the local socket \(agent.path) is no agent of this version (HTTP \(reply.status))"))
        }
        return .success(.seconds(fraction: seconds))
    }

    private enum NoReport: Error {
        case interrupted
        case trouble(InsideAgent.Trouble)
    }

    private enum Event: Sendable {
        case reply(Result<HTTPReply, InsideAgent.Trouble>)
        case signal
        case late
    }

    private func ask(_ name: String, within limit: Duration) async -> Result<HTTPReply, NoReport> {
        let parameters =
            ["run=\(name)", "fail_on=\(failOn.rawValue)", agent.look] + (timeout.map { ["timeout=\($0.seconds)"] } ?? [])
            + (wakes ? ["wake=1"] : [])
        let accept = output == .json ? "application/json" : "text/plain"
        return await withTaskGroup(of: Event.self) { group in
            group.addTask {
                do throws(InsideAgent.Trouble) {
                    return .reply(.success(try await agent.send(.post, selection.uri(parameters), accept: accept, within: limit)))
                } catch {
                    return .reply(.failure(error))
                }
            }
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { return .signal }
                return .late
            }
            if Terminal.showsProgress { group.addTask { await showProgress() } }
            defer { group.cancelAll() }
            var isInterrupted = false
            for await event in group {
                switch event {
                case .reply(.success(let reply)): return .success(reply)
                case .reply(.failure(let trouble)): return .failure(isInterrupted ? .interrupted : .trouble(trouble))
                case .late where !isInterrupted: continue
                case .late: return .failure(.interrupted)
                case .signal:
                    // The agent then gives what it has, but nobody waits long for it.
                    isInterrupted = true
                    group.addTask {
                        _ = try? await agent.send(.post, "/api/v1/diagnose?end&run=\(name)", within: .milliseconds(500))
                        try? await Task.sleep(for: .milliseconds(500))
                        return .late
                    }
                }
            }
            return .failure(.interrupted)
        }
    }

    private func show(_ reply: HTTPReply) -> Outcome {
        if reply.status == 503 { return .notAnswered("the running agent is stopping") }
        guard reply.status == 200, let exit = reply.headers[.agentExit].flatMap(Int32.init), ExitStatus(rawValue: exit) != nil else {
            return .notAnswered("the running agent answered with HTTP \(reply.status)")
        }
        agent.show(reply)
        if exit == ExitStatus.unfinished.rawValue || exit == ExitStatus.interrupted.rawValue {
            let crowded = reply.headers[.agentCrowded].map(Redactor.scrub)
            if let crowded {
                Terminal.note(
                    "agent: no place came free under limits.concurrency of the running agent; no result for \(crowded). --local probes without it"
                )
            }
            let unfinished = reply.headers[.agentUnfinished].map(Redactor.scrub)
            // Who found no place is among them.
            if crowded == nil || unfinished != crowded || exit == ExitStatus.interrupted.rawValue {
                let reason = exit == ExitStatus.unfinished.rawValue ? "the time limit of the command passed" : "interrupted"
                Terminal.note("agent: \(reason); no result for \(unfinished ?? "nothing")")
            }
        }
        return .done(exit)
    }

    /// Says after a second, and every five from then on, whom the agent waits for. Ends by cancellation only.
    private func showProgress() async -> Event {
        var pause = Duration.seconds(1)
        while (try? await Task.sleep(for: pause)) != nil {
            pause = .seconds(5)
            guard let reply = try? await agent.send(.get, selection.uri(["plan"]), within: .seconds(1)) else { continue }
            let waiting = JSON(parsing: String(decoding: reply.body, as: UTF8.self))?["under_way"]?.items?.compactMap(\.text) ?? []
            Terminal.note(DiagnoseCommand.waiting(waiting.map(Redactor.scrub), "the running agent waits for"))
        }
        return .late
    }
}
