// The deadline of a probe whose way to the server died.
import Diagnosis
@testable import Lab
import Probes
import Testing

@Suite(.timeLimit(.minutes(2))) struct AzureSQLDeadlineTests {
    @Test("A path that dies with the statement ends the probe at its deadline: nobody waits for the answer to the goodbye")
    func deadPath() async throws {
        var script = healthyAzureSQL()
        script.troubles[.query] = .deaf
        try await AzureBench.with(script) { bench in
            // The first connection of a process pays for what is made once.
            _ = await bench.observe(.seconds(3))
            let slacks = await fastest(of: 3) {
                let begin = ContinuousClock.now
                let observation = await bench.observe(.seconds(1))
                #expect(observation.failure?.cause == .queryTimeout, "\(observation.outcome)")
                #expect(observation.duration <= ContinuousClock.now - begin)
                return ContinuousClock.now - begin
            }
            #expect(slacks >= .milliseconds(995) && slacks <= .milliseconds(1_100), "\(slacks)")
        }
    }

    /// The least of several tries: other programs may need the machine meanwhile.
    private func fastest(of tries: Int, _ body: () async -> Duration) async -> Duration {
        var least = await body()
        for _ in 1..<tries where least > .milliseconds(1_100) { least = min(least, await body()) }
        return least
    }
}
