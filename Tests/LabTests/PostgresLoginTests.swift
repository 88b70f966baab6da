// The real server lets a principal in with its valid token, and with nothing else.
import Diagnosis
import Lab
import Testing

@Suite struct PostgresLoginTests {
    @Test("psql logs in with an issued token and is refused with any other", .timeLimit(.minutes(1)))
    func validTokenOnly() async throws {
        let lab = try await Lab.start()
        let orders = try #require(lab.target("orders"))
        let good = try await Psql.run("select count(*) from orders", on: orders, of: lab, token: try await lab.token())
        #expect(good.output == "20\n", "\(good.error)")
        await lab.stop()
    }
}
