// Writes history until somebody kills it, and says after every transaction how much has been committed.
//
// Usage: agent-store-writer FILE [FIRST]. Each line of output is the number of observations committed so far; the observation with
// number N started N seconds after the epoch, so that a reader can tell which are there. Every tenth is a failure.
import Diagnosis
import Logging
import Store

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes a line at once: no buffer stands between a commit and the word of it.
func say(_ line: String, to descriptor: CInt = 1) {
    let bytes = Array((line + "\n").utf8)
    _ = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
}

let arguments = CommandLine.arguments
guard arguments.count >= 2 else {
    say("usage: agent-store-writer FILE [FIRST]", to: 2)
    exit(64)
}
let first = arguments.count > 2 ? Int64(arguments[2]) ?? 1 : 1

var retention = Retention()
// The observations are as old as the epoch on purpose; nothing may be deleted for its age.
retention.successes = .seconds(1 << 40)
retention.failures = .seconds(1 << 40)
let store = HistoryStore(path: arguments[1], retention: retention, logger: Logger(label: "agent-store-writer"))
await store.flush()
guard store.status.mode == .file else {
    say(store.status.message ?? "no file", to: 2)
    exit(75)
}
say("ready")

var number = first
while true {
    for _ in 0..<7 {
        let check = CheckID(target: "t\(number % 13)", identity: "app")
        let failure = Failure(.tcpRefused, during: .tcp, evidence: [Evidence(.errno, code: 111, text: "attempt \(number)")])
        store.record(
            Observation(
                check: check, started: Timestamp(milliseconds: number * 1000), duration: .milliseconds(20),
                phases: Phase.probed.map { PhaseResult($0, .ok, duration: .milliseconds(2)) },
                outcome: number % 10 == 0 ? .failed(failure) : .succeeded))
        number += 1
    }
    await store.flush()
    say("\(first - 1 + Int64(store.status.records))")
}
