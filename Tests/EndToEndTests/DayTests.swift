// A day of operation, simulated by `agent-bench`: the ordinary run plays an hour of a hundred checks, the deep one is the bench itself.
import Foundation
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct DayTests {
    @Test("A simulated day with outages, a wall clock that is set and a standstill keeps every bar")
    func hour() async throws {
        let result = try await Program(name: "agent-bench").run(["--only", "day", "--quick", "--json"])
        #expect(result.status == 0, "\(result.errors)")
        let rows = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [[String: Any]])
        #expect(rows.count > 10)
        for row in rows {
            #expect(row["met"] as? Bool != false, "\(row)")
            if let name = row["figure"] as? String, let value = row["value"] as? Double {
                promise("day", "\(name): \(rounded(value)) \(row["unit"] ?? "")")
            }
        }
    }
}
