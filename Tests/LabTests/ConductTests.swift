// What the lab must never get wrong: tokens seen where they were not to be sent, leftovers, labs that disturb each other.
import Diagnosis
import FoundationEssentials
import Lab
import Testing

extension RealServer {
    @Suite struct ConductTests {
        @Test("A client that verifies gives its token to no server it should refuse", .timeLimit(.minutes(1)))
        func tokenStaysHome() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let token = try await lab.token()
                let impostors: [Fault] = [
                    .plaintextServer, .notPostgres, .stuffedBeforeTLS, .tlsUnknownCA, .tlsWrongName, .tlsExpired, .tlsNotYetValid,
                    .tlsTooOld, .tlsHandshakeCut,
                    .gssAsked, .unknownAuthAsked, .garbageMessage, .serverStarting, .tooManyClients,
                ]
                for fault in impostors {
                    try await lab.faults.turnOn(fault, target: "orders")
                    lab.recorder.clear()
                    _ = try await Psql.run(on: orders, of: lab, token: token, patience: 2)
                    let records = lab.recorder.records(of: "orders")
                    #expect(
                        records.count == 1 && records.first?.fault == fault && records.first?.beforeTLS.isEmpty == false, "\(fault.name)")
                    #expect(!records.contains { $0.contains(token) }, "\(fault.name)")
                    try await lab.faults.turnOff(fault)
                }
            }
        }

        @Test("The recorder sees a token that is given away, in the clear and inside TLS", .timeLimit(.minutes(1)))
        func recorderSeesTokens() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let token = try await lab.token()
                try await lab.faults.turnOn(.plaintextServer, target: "orders")
                _ = try await Psql.run(on: orders, of: lab, token: token, patience: 2, mode: "prefer")
                #expect(lab.recorder.records(of: "orders").contains { $0.contains(token) && $0.insideTLS.isEmpty })
                try await lab.faults.turnOff(.plaintextServer)
                lab.recorder.clear()
                try await lab.faults.turnOn(.tokenExpired)
                _ = try await Psql.run(on: orders, of: lab, token: token, patience: 2)
                let record = try #require(lab.recorder.records().first { $0.contains(token) })
                #expect(!record.insideTLS.isEmpty && record.beforeTLS.count == 8)
            }
        }

        @Test("Hostile streams and slow statements behave as named", .timeLimit(.minutes(1)))
        func hostileServers() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let token = try await lab.token()
                // psql collects the rows of a result before it shows any, so it is never done.
                try await lab.faults.turnOn(.endlessRows, target: "orders")
                let rows = try await Psql.run("select 1", on: orders, of: lab, token: token, stopAfter: "1")
                #expect(rows.wasStopped && rows.error.isEmpty, "\(rows.error)")
                try await lab.faults.turnOff(.endlessRows)

                try await lab.faults.turnOn(.querySlow, target: "orders")
                let slow = try await Psql.run(on: orders, of: lab, token: token, options: "-c statement_timeout=200")
                #expect(slow.error.contains("57014: canceling statement due to statement timeout"), "\(slow.error)")
                try await lab.faults.turnOff(.querySlow)

                for length in [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF] {
                    try await lab.faults.turnOn(.garbageLength, target: "orders", value: length)
                    let broken = try await Psql.run(on: orders, of: lab, token: token, patience: 2)
                    #expect(!broken.isSuccess, "\(length): \(broken.error)")
                }
                try await lab.faults.turnOff(.garbageLength)

                try await lab.faults.turnOn(.delay, target: "orders", value: 20)
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
                try await lab.faults.turnOff(.delay)
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
            }
        }

        @Test("A connection can end at any byte from the server, orderly or not", .timeLimit(.minutes(2)))
        func endAtAnyByte() async throws {
            try await withLab { lab in
                let orders = try #require(lab.target("orders"))
                let token = try await lab.token()
                for fault in [Fault.cutAt, .resetAt] {
                    for bytes in [0, 1, 2, 6, 100, 900, 1_500] {
                        try await lab.faults.turnOn(fault, target: "orders", value: bytes)
                        let psql = try await Psql.run(on: orders, of: lab, token: token, patience: 20)
                        #expect(!psql.isSuccess && !psql.error.contains("timeout expired"), "\(fault.name) \(bytes): \(psql.error)")
                    }
                    try await lab.faults.turnOff(fault)
                }
                #expect(try await Psql.run(on: orders, of: lab, token: token).isSuccess)
            }
        }

        @Test("Labs run side by side without sharing anything, and leave nothing behind", .timeLimit(.minutes(1)))
        func sideBySide() async throws {
            let first = try await Lab.start()
            let second = try await Lab.start()
            let orders = try #require(first.target("orders"))
            #expect(first.block != second.block && first.scratch.path != second.scratch.path)
            let token = try await first.token()
            // A token of one lab is foreign in the other.
            #expect(try await Psql.run(on: orders, of: first, token: token).isSuccess)
            #expect(try await Psql.run(on: orders, of: second, token: token).error.contains("authentication failed"))
            try await first.faults.turnOn(.tcpRefused)
            #expect(try await Psql.run(on: orders, of: second, token: try await second.token()).isSuccess)
            #expect(try await Psql.run(on: orders, of: first, token: token).error.contains("Connection refused"))
            #expect(Traces.processes(of: first) > 0)
            await first.stop()
            #expect(try await Psql.run(on: orders, of: second, token: try await second.token()).isSuccess)
            await second.stop()
            for lab in [first, second] {
                #expect(Traces.processes(of: lab) == 0)
                #expect(Traces.pamFiles(of: lab).isEmpty)
                #expect(!FileManager.default.fileExists(atPath: lab.scratch.path))
                #expect(try await Psql.run(on: orders, of: lab, token: token).error.contains("Connection refused"))
            }
        }

        @Test("What cannot be switched is refused with a reason", .timeLimit(.minutes(1)))
        func refusals() async throws {
            var options = IdentityEndpointTests.tokensOnly
            options.direct = true
            try await withLab(options) { lab in
                let rows: [(name: String, target: String?, value: Int?, text: String)] = [
                    ("tls_expird", nil, nil, "There is no fault tls_expird. Similar: tls_unknown_ca, tls_wrong_name, tls_expired"),
                    ("dns_nxdomain", "nobody", nil, "The lab has no target nobody. It has: orders, billing."),
                    ("identity_500", "orders", nil, "identity_500 concerns the identity endpoint, which all targets share"),
                    ("identity_500", nil, 3, "identity_500 takes no value."), ("tls_expired", nil, nil, "was started without it (direct)"),
                    ("role_nologin", nil, nil, "needs the real server"),
                ]
                for row in rows {
                    do {
                        try await lab.faults.turnOn(row.name, target: row.target, value: row.value)
                        Issue.record("\(row.name) was switched on")
                    } catch {
                        #expect("\(error)".contains(row.text), "\(error)")
                    }
                }
                #expect(lab.faults.active.isEmpty)
                // Off is off, twice.
                try await lab.faults.turnOff("identity_500")
                try await lab.faults.turnOff("identity_500")
            }
        }

        @Test("The table of faults is one: names are unique, exits follow the group of the cause")
        func faultTable() {
            #expect(Set(Fault.allCases.map(\.name)).count == Fault.allCases.count)
            for fault in Fault.allCases { #expect(!fault.row.expects.isEmpty, "\(fault.name)") }
            for (fault, expects) in Fault.allCases.flatMap({ fault in fault.row.expects.values.map { (fault, $0) } }) {
                guard case .failure(let cause, let phase, let exit) = expects else { continue }
                #expect([10, 20, 30, 40, 60, 78].contains(exit), "\(fault.name)")
                #expect(Phase.probed.contains(phase), "\(fault.name)")
                if cause.rawValue.hasPrefix("tls_") { #expect(exit == 30, "\(fault.name)") }
                if cause.rawValue.hasPrefix("token_") || cause.rawValue.hasPrefix("identity_") { #expect(exit == 10, "\(fault.name)") }
                if cause.rawValue.hasPrefix("dns_") || cause.rawValue.hasPrefix("tcp_") { #expect(exit == 20, "\(fault.name)") }
                if cause.rawValue.hasPrefix("query_") || cause.rawValue.hasPrefix("connection_lost") {
                    #expect(exit == 60, "\(fault.name)")
                }
            }
        }
    }
}
