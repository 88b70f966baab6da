// When a probe looks at rights about which nothing is configured.
import Testing

@testable import Probes

@Suite struct RightsMemoryTests {
    @Test("Two first probes at once both look, later ones once an hour")
    func turns() {
        let memory = RightsMemory<Int>()
        let begin = ContinuousClock.now
        #expect(memory.takeTurn(now: begin))
        #expect(memory.takeTurn(now: begin + .milliseconds(5)), "nothing is known yet, and who waits for nothing goes without")
        memory.endTurn(nil)
        memory.endTurn(nil)
        #expect(!memory.takeTurn(now: begin + .seconds(60)), "a look that saw nothing is not repeated at each probe")
        #expect(memory.takeTurn(now: begin + .seconds(3601)))
        memory.endTurn(nil)
        #expect(!memory.takeTurn(now: begin + .seconds(3700)))
        #expect(memory.seen == nil)
        #expect(memory.takeTurn(sooner: true, now: begin + .seconds(3701)), "what is out of date is looked at again")
        memory.endTurn(7)
        #expect(memory.seen == 7 && !memory.takeTurn(now: begin + .seconds(3702)))
    }
}
