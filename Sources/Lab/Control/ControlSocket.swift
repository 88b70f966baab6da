// How a running lab is spoken to: one question a connection over a socket in its folder.
import Diagnosis
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The socket of a running lab.
///
/// **Shape**: a question is one line of words separated by tabs, the first of which is `text` or `json`. The answer is `ok` or `error`
/// on a line of its own, then text to be printed, until the end of the stream.
package final class ControlSocket: Sendable {
    private let listener: Listener

    static func path(in directory: String) -> String { directory + "/control.sock" }

    /// Opens the socket. **Throws**: `LabError` when another lab answers in the same folder.
    package static func open(for lab: Lab, in directory: String, configuration: String) async throws -> ControlSocket {
        let listener = try await Listener.unix(path(in: directory)) { connection in
            guard let line = try await connection.read(until: [10], limit: 4_096) else { return }
            let words = String(decoding: line, as: UTF8.self).split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            let answer: String
            do {
                answer = "ok\n" + (try await ControlDesk(lab: lab, configuration: configuration).answer(to: words))
            } catch {
                answer = "error\n\(error)\n"
            }
            try await connection.write(answer)
            try await connection.finish()
            try await connection.drain()
        }
        guard unsafe chmod(path(in: directory), 0o600) == 0 else {
            throw LabError("The permissions of the control socket cannot be set (errno \(errno)).")
        }
        return ControlSocket(listener: listener)
    }

    private init(listener: Listener) { self.listener = listener }

    package func close() async { await listener.close() }

    /// Whether a lab answers in this folder.
    package static func isAnswered(in directory: String) async -> Bool { (try? await ask(["text", "ping"], in: directory)) != nil }

    /// Asks the lab that runs in `directory`. **Throws**: `LabError` with the lab's own words, or when there is none.
    package static func ask(_ words: [String], in directory: String) async throws -> String {
        let stream: Connection.Stream
        do {
            stream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(5))
                .connect(unixDomainSocketPath: path(in: directory)) { channel in
                    channel.eventLoop.makeCompletedFuture { try Connection.Stream(wrappingChannelSynchronously: channel) }
                }
        } catch {
            throw LabError("No lab is running in \(directory). Start one with `agent-lab up`, or name its folder with --directory.")
        }
        let answer = try await stream.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: words.joined(separator: "\t") + "\n"))
            var answer = ByteBuffer()
            for try await var piece in inbound { answer.writeBuffer(&piece) }
            return String(buffer: answer)
        }
        let parts = answer.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        let rest = parts.count > 1 ? String(parts[1]) : ""
        guard parts.first == "ok" else { throw LabError(rest.isEmpty ? "The lab ended while it was asked." : String(rest.dropLast())) }
        return rest
    }
}

/// Answers one question.
private struct ControlDesk: Sendable {
    var lab: Lab
    var configuration: String

    func answer(to words: [String]) async throws -> String {
        guard words.count >= 2 else { throw LabError("The question has no verb.") }
        let isJSON = words[0] == "json"
        func word(_ index: Int) -> String? { words.count > index && !words[index].isEmpty ? words[index] : nil }
        switch words[1] {
        case "ping": return ""
        case "environment": return isJSON ? lab.environmentJSON.compact + "\n" : lab.environmentScript(configuration: configuration)
        case "faults": return isJSON ? FaultTable(lab.faults.active).line : FaultTable(lab.faults.active).text
        case "on":
            let name = word(2) ?? ""
            let value = try word(4).map { text in
                guard let number = Int(text) else { throw LabError("The value \(text) is no whole number.") }
                return number
            }
            try await lab.faults.turnOn(name, target: word(3), value: value)
            return confirm(name, word(3), isOn: true, isJSON: isJSON)
        case "off":
            if word(2) == "all" {
                try await lab.faults.turnOffAll()
            } else {
                try await lab.faults.turnOff(word(2) ?? "", target: word(3))
            }
            return confirm(word(2) ?? "", word(3), isOn: false, isJSON: isJSON)
        default: throw LabError("The lab does not know the verb \(words[1]).")
        }
    }

    private func confirm(_ name: String, _ target: String?, isOn: Bool, isJSON: Bool) -> String {
        if isJSON { return FaultTable(lab.faults.active).line }
        return "\(name) is \(isOn ? "on" : "off")\(target.map { " for \($0)" } ?? "")\n"
    }
}
