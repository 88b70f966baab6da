// Rights from the configuration to the statement that mends them: a row of the table, and how it is played on any engine.
import Foundation
import Testing

/// What is configured for one target, and what `diagnose` is to say of it.
struct RightsRow: Sendable {
    /// Of the target.
    var name: String
    /// Empty: nothing is configured, and what the account can do is told.
    var privileges = ""
    /// The code of the finding, and the exit status; nil when all is well.
    var finding: (code: String, exit: Int32)?
    /// How remedies of the report begin.
    var remedies: [String] = []
    /// Words of the report for people.
    var text: [String] = []
}

/// What one row gave, for looks of one engine alone.
struct RightsResult {
    var check: [String: Any]
    var remedies: [String]
    var output: String
}

extension AgentBench {
    /// Puts the rights of the rows below their targets.
    func configure(_ rows: [RightsRow]) throws {
        try configure(
            rows.filter { !$0.privileges.isEmpty }.map { row in
                ("  - name: \(row.name)\n", "  - name: \(row.name)\n    privileges:\n\(row.privileges)\n")
            })
    }

    /// Diagnoses the row's target: it is up whatever its rights are, with the finding, the exit status, the remedies and the words of the row.
    func play(_ row: RightsRow) async throws -> RightsResult {
        let result = try await diagnose([row.name, "--output", "json"])
        let report = try jsonObject(result.output)
        let check = (report["checks"] as? [[String: Any]])?.first ?? [:]
        #expect(check["state"] as? String == "up", "\(row.name): \(result.output)\(result.errors.suffix(500))")
        #expect(result.status == row.finding?.exit ?? 0, "\(row.name): \(result.output)")
        let all = report["findings"] as? [[String: Any]] ?? []
        let findings = all.filter { $0["code"] as? String == row.finding?.code }
        #expect(findings.isEmpty == (row.finding == nil), "\(row.name): \(result.output)")
        func texts(_ findings: [[String: Any]]) -> [String] {
            findings.flatMap { $0["remedies"] as? [[String: Any]] ?? [] }.compactMap { $0["text"] as? String }
        }
        for remedy in row.remedies {
            #expect(texts(findings).contains { $0.hasPrefix(remedy) }, "\(row.name): \(texts(findings))")
        }
        let plain = try await diagnose([row.name])
        for words in row.text { #expect(plain.output.contains(words), "\(row.name): \(plain.output)") }
        return RightsResult(check: check, remedies: texts(all), output: result.output)
    }
}
