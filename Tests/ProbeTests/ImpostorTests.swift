// F13 and F14 of the promises: a server that is not the one that is meant does not get the token.
import Diagnosis
import Lab
import Probes
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(3))) struct ImpostorTests {
    static let impostors: [Fault] = [
        .plaintextServer, .notPostgres, .stuffedBeforeTLS, .silentAfterAccept, .tlsUnknownCA, .tlsWrongName, .tlsExpired, .tlsNotYetValid,
        .tlsTooOld, .tlsHandshakeCut, .startupSilent, .md5Asked, .gssAsked, .unknownAuthAsked, .garbageLength, .garbageMessage,
        .hugeMessage,
        .serverStarting, .serverStopping, .tooManyClients,
    ]

    @Test("No byte of the token reaches a server that was not verified or asks for something else, known to the probe or new to it")
    func tokenStaysHome() async throws {
        try await withProbeBench { bench in
            let token = try await bench.lab.token()
            let known = bench.probe()
            #expect(await known.observe(bench.run())?.outcome == .succeeded)
            for fault in Self.impostors {
                try await bench.lab.faults.turnOn(fault, target: "orders")
                bench.lab.recorder.clear()
                for probe in [known, bench.probe(), bench.probe(trustsLab: false)] {
                    let observation = await probe.observe(
                        bench.run(fault == .silentAfterAccept || fault == .startupSilent ? .seconds(1) : .seconds(15)))
                    #expect(observation?.failure != nil, "\(fault.name)")
                }
                let records = bench.lab.recorder.records(of: "orders")
                #expect(records.count >= 3, "\(fault.name): nothing was recorded")
                #expect(!records.contains { $0.contains(token) }, "\(fault.name)")
                try await bench.lab.faults.turnOff(fault)
            }
            // The recorder does see a token that is given to a server that was verified and asks for it.
            try await bench.lab.faults.turnOn(.tokenExpired, target: "orders")
            bench.lab.recorder.clear()
            _ = await known.observe(bench.run())
            #expect(bench.lab.recorder.records(of: "orders").contains { $0.contains(token) })
            promise("F13, F14", "0 token bytes to \(Self.impostors.count) kinds of impostor, \(3 * Self.impostors.count) probes")
        }
    }
}
