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

    /// - Parameter file: the file that somebody named; no agent is asked then.
    init(file: String?, _ options: ConfigurationOptions) {
        self.file = file
        self.options = options
    }

    /// Asks and prints.
    func answer(_ question: HistoryQuestion, as output: OutputFormat) async throws {
        if file == nil, let agent = InsideAgent(options), await answer(question, as: output, from: agent) { return }
        let path = if let file { file } else { try options.load().history.path }
        let answer = try await read(question, path)
        switch output {
        case .json: Terminal.print(answer.json.pretty)
        case .text: Terminal.print(answer.text(place: path, now: .now, style: Terminal.style))
        }
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
        do {
            return try await question.answer(from: HistoryFile(path: path))
        } catch {
            if file == nil, error.cause == .configInvalid, !Surroundings.fileExists(path) { return question.emptyAnswer }
            throw error.exit()
        }
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
