// What the verbs that read the history file share: which file, which check, and what a missing file means.
import ArgumentParser
import Curl
import Diagnosis
import Settings
import Store

/// Where the answer comes from: the running agent, which needs no right to the file, else the file.
struct HistorySource {
    private let options: ConfigurationOptions
    private let file: String?

    /// How long the file may take to answer, as long as the agent may.
    private static let patience = Duration.seconds(10)

    /// - Parameter file: the file that somebody named; no agent is asked then.
    init(file: String?, _ options: ConfigurationOptions) {
        self.file = file
        self.options = options
    }

    /// Asks and prints.
    func answer(_ question: HistoryQuestion, as output: OutputFormat) async throws {
        if file == nil, let agent = InsideAgent(options), await answer(question, as: output, from: agent) { return }
        let path: String
        var configured: Set<String> = []
        if let file {
            path = file
        } else {
            let configuration = try options.load()
            path = configuration.history.path
            let checks = configuration.targets.flatMap { [$0.name] + $0.checks.map(\.description) }
            configured = Set(checks + configuration.identities.map { CheckID(watching: $0.name).description })
        }
        let answer = try await read(question, path)
        switch output {
        case .json: Terminal.print(answer.json.pretty)
        case .text: Terminal.print(answer.text(place: path, now: .now, style: Terminal.style))
        }
        let end = ContinuousClock.now + .seconds(5)
        await doubt(question, configured) { try? await HistoryFile(path: path).answer($0, until: end)?.get().json["items"]?.items?.count }
    }

    /// Says that a name is unknown: nothing is configured under it and nothing was ever recorded. An empty answer alone would look like health.
    /// - Parameter count: how much there is to a question; nil when that cannot be found out.
    private func doubt(_ question: HistoryQuestion, _ configured: Set<String>, _ count: (HistoryQuestion) async -> Int?) async {
        let (check, target) = question.subject
        guard let name = check?.description ?? target, !configured.contains(name) else { return }
        let everything: [HistoryQuestion] = [
            .observations(HistoryQuery(check: check, target: target, limit: 1)),
            .sums(RollupQuery(.day, check: check, target: target, limit: 1)),
            .incidents(IncidentQuery(check: check, target: target, limit: 1)),
        ]
        for question in everything {
            guard let number = await count(question), number == 0 else { return }
        }
        let known = configured.sorted().prefix(20).map(Redactor.scrub).joined(separator: ", ")
        Terminal.note(
            "agent: nothing is configured or recorded under '\(Redactor.scrub(name))'\(known.isEmpty ? "" : ". Known: \(known)")")
    }

    /// What the running agent works on.
    private func configured(_ agent: InsideAgent) async -> Set<String>? {
        guard let reply = try? await agent.send(.get, "/api/v1/status", within: .seconds(5)), reply.status == 200,
            let document = JSON(parsing: String(decoding: reply.body, as: UTF8.self)), let checks = document["checks"]?.items
        else { return nil }
        let ids = checks.compactMap { $0["id"]?.text.flatMap { CheckID($0) } }
        let identities = document["identities"]?.items?.compactMap { $0["identity"]?.text } ?? []
        return Set(ids.flatMap { [$0.target, $0.description] } + identities.map { CheckID(watching: $0).description })
    }

    /// - Returns: whether the agent answered; otherwise it was said why, where there is something to say.
    private func answer(_ question: HistoryQuestion, as output: OutputFormat, from agent: InsideAgent) async -> Bool {
        let accept = output == .json ? "application/json" : "text/plain"
        let uri = question.uri + (question.uri.contains("?") ? "&" : "?") + agent.look
        let why: String?
        do {
            let reply = try await agent.send(.get, uri, accept: accept, within: .seconds(10))
            if reply.status == 200 {
                agent.show(reply)
                if question.subject != (nil, nil), let configured = await configured(agent) {
                    await doubt(question, configured) { question in
                        guard let reply = try? await agent.send(.get, question.uri, within: .seconds(5)), reply.status == 200 else {
                            return nil
                        }
                        return JSON(parsing: String(decoding: reply.body, as: UTF8.self))?["items"]?.items?.count
                    }
                }
                await agent.close()
                return true
            }
            why = "the running agent answered with HTTP \(reply.status)"
        } catch {
            why = error.message(agent.path)
        }
        await agent.close()
        if let why { Terminal.note("agent: \(why); reading the file") }
        return false
    }

    /// Reads from the file. One that nobody named and that is not there has nothing: nothing has happened yet.
    private func read(_ question: HistoryQuestion, _ path: String) async throws -> HistoryAnswer {
        switch await HistoryFile(path: path).answer(question, until: .now + Self.patience) {
        case .success(let answer)?: return answer
        case .failure(let error)?:
            if file == nil, error.cause == .configInvalid, !Surroundings.fileExists(path) { return question.emptyAnswer }
            throw error.exit()
        case nil:
            Terminal.note(
                """
                agent: \(Redactor.scrub(path)) was not read within \(Span.short(Self.patience)); the disk or the network mount below it \
                may hang.
                  Look at the mount, or read a copy of the file with --file.
                """)
            throw ExitCode(ExitStatus.unfinished.rawValue)
        }
    }
}

extension HistoryFile {
    /// The same as without a limit, but no command waits for a disk that hangs.
    /// - Returns: nil when the time is over.
    fileprivate func answer(_ question: HistoryQuestion, until end: ContinuousClock.Instant) async -> Result<HistoryAnswer, Failure>? {
        let (answers, answer) = AsyncStream<Result<HistoryAnswer, Failure>>.makeStream()
        Task {  // A call that waits for the disk cannot be ended, so nobody waits for it; the end of the process takes it along.
            do throws(Failure) {
                answer.yield(.success(try await question.answer(from: self)))
            } catch {
                answer.yield(.failure(error))
            }
            answer.finish()
        }
        return await answers.first(until: end)
    }
}

/// Reads the argument of `--since`.
func sinceMoment(_ text: String) throws {
    if HistoryCommand.moment(text, now: .now) == nil { throw ValidationError("'\(text)' is no span (30m, 24h, 7d) and no time in UTC.") }
}

/// Reads the argument of `--before`.
func beforeMoment(_ text: String) throws {
    if Timestamp(rfc3339: text) == nil { throw ValidationError("'\(text)' is no time such as 2026-11-22T03:04:11.000Z.") }
}
