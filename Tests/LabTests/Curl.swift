// The independent HTTP client of these tests.
import FoundationEssentials
import Subprocess

/// One request, with what came back.
struct Curl {
    var exit: Int32
    var status: Int
    /// Names in lower case.
    var headers: [String: String]
    var body: String

    /// `body` as an object of texts; nil when it is anything else.
    var texts: [String: String]? { try? JSONDecoder().decode([String: String].self, from: Data(body.utf8)) }

    static func get(_ url: String, query: [String: String] = [:], headers: [String: String] = [:], patience: String = "10") async throws
        -> Curl
    {
        var arguments = ["--silent", "--include", "--get", "--noproxy", "*", "--max-time", patience, url]
        for (name, value) in query { arguments += ["--data-urlencode", "\(name)=\(value)"] }
        for (name, value) in headers { arguments += ["--header", "\(name): \(value)"] }
        let result = try await Subprocess.run(
            .name("curl"), arguments: Arguments(arguments), input: .none, output: .string(limit: 32 << 20), error: .discarded)
        let parts = result.standardOutput.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let lines = (parts.first ?? "").split(separator: "\r\n")
        var found: [String: String] = [:]
        for line in lines.dropFirst() {
            let sides = line.split(separator: ":", maxSplits: 1)
            if sides.count == 2 { found[sides[0].lowercased()] = String(sides[1].drop { $0 == " " }) }
        }
        let status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var code: Int32 = 0
        if case .exited(let number) = result.terminationStatus { code = number }
        return Curl(exit: code, status: status, headers: found, body: parts.count > 1 ? String(parts[1]) : "")
    }
}
