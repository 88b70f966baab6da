// F3 of the promises: the disk below the history is full, while probes and endpoints go on.
import Diagnosis
import Foundation
import Lab
import Store
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct DiskFullTests {
    @Test("A full disk, at the start or later, stops the history and nothing else; nothing is lost, and it recovers within 30 s of room")
    func fullDisk() async {
        await sideBySide([("full while it runs", fullWhileRunning), ("full at the start", fullAtStart)])
    }

    /// The disk fills up under a healthy store.
    @Sendable private func fullWhileRunning() async throws {
        // Enough to write that the log of the database cannot go round in the room it has.
        var options = LabOptions()
        options.targets = LabTarget.fleet(count: 40)
        options.postgres = false
        try await withAgentBench(options) { bench in
            let preload = try Preload(folder: bench.folder)
            let service = try await bench.startService(environment: preload.environment)
            _ = try await eventually("records are written") {
                try await service.scrape().sum("dbprobe_store_records_total") ?? 0 > 0 ? true : nil
            }
            var recoveries: [Double] = []
            for _ in 0..<Scale.pick(1, deep: 10) {
                try preload.fillDisk(true)
                let begun = try await store(of: service, isUp: false)
                try await goesOn(service, since: begun)
                try preload.fillDisk(false)
                recoveries.append(try await recovery(of: service))
            }
            let last = try await service.scrape()
            #expect(last.sum("dbprobe_store_record_failures_total") == 0, "what came while the disk was full was written afterwards")
            let lines = service.program.lines(of: "store")
            #expect(lines.count == 1 + 2 * recoveries.count, "up, then down and up again each time")
            #expect(await service.program.stop().status == 0)
            let probes = last.sum("dbprobe_probes_total") ?? 0
            #expect(Double(try await bench.recorded().count) >= probes)
            tell("refused at write", recoveries, last)
        }
    }

    /// The agent starts on a full disk, keeps history in memory, and takes it to the file when there is room.
    @Sendable private func fullAtStart() async throws {
        var options = LabOptions()
        options.postgres = false
        try await withAgentBench(options) { bench in
            let disk = try await SmallDisk.make(in: bench.folder)
            try bench.configure([(bench.historyPath, disk.place.appendingPathComponent("history.db").path)])
            let service = try await bench.startService(environment: disk.environment, through: disk.launcher)
            let begun = try await store(of: service, isUp: false)
            try await goesOn(service, since: begun)
            // The store looks again every 15 seconds. That it finds the file then has a test of its own (StoreTests); the wait is for the figure.
            guard Scale.current == .deep else {
                #expect(
                    service.program.errors.split(separator: "\n").count { $0.contains("cannot be kept as configured") } == 1, "said once")
                #expect(await service.program.stop().status == 0)
                return
            }
            try await disk.fill(false, service.program.identifier)
            let recovery = try await recovery(of: service)
            // Full again while it runs: the store lives on what its own log gives back, or holds records until there is room.
            try await disk.fill(true, service.program.identifier)
            try await goesOn(service, since: try await service.scrape())
            try await disk.fill(false, service.program.identifier)
            _ = try await store(of: service, isUp: true)
            let last = try await service.scrape()
            #expect(last.sum("dbprobe_store_record_failures_total") == 0)
            #expect(await service.program.stop().status == 0)
            tell(disk.name, [recovery], last)
        }
    }

    // MARK: Looks

    private func store(of service: AgentBench.Service, isUp: Bool) async throws -> Scrape {
        try await eventually("the store is \(isUp ? "up" : "down")") {
            let scrape = try await service.scrape()
            return scrape.sum("dbprobe_store_up") == (isUp ? 1 : 0) ? scrape : nil
        }
    }

    private func recovery(of service: AgentBench.Service) async throws -> Double {
        let begun = ContinuousClock.now
        _ = try await store(of: service, isUp: true)
        let took = (ContinuousClock.now - begun).seconds
        #expect(took < 30)
        return took
    }

    /// Probes run and every endpoint answers.
    private func goesOn(_ service: AgentBench.Service, since begun: Scrape) async throws {
        let stalls = Stalls()
        try await Task.sleep(for: .seconds(Scale.pick(1.5, deep: 10)))
        let later = try await service.scrape()
        stalls.end()
        func grown(_ metric: String) -> Double { (later.sum(metric) ?? 0) - (begun.sum(metric) ?? 0) }
        #expect(grown("dbprobe_probes_total") >= 2)
        #expect(grown("dbprobe_probes_missed_total") <= stalls.slots(of: Int(later.sum("dbprobe_checks") ?? 0), every: 1))
        for path in ["/livez", "/readyz", "/", "/api/v1/history"] { #expect(try await service.get(path).status == 200, "\(path)") }
    }

    private func tell(_ disk: String, _ recoveries: [Double], _ last: Scrape) {
        let inTime = last.sum("dbprobe_schedule_lag_seconds_bucket", "le=\"0.1\"") ?? 0
        let all = last.sum("dbprobe_schedule_lag_seconds_count") ?? 0
        #expect(inTime / all > 0.9, "probes start in time: \(inTime) of \(all) within 100 ms")
        promise(
            "F3",
            "\(disk): back \(recoveries.map(rounded).joined(separator: ", ")) s after room, 0 records lost, \(Int(all - inTime)) of \(Int(all)) probes more than 100 ms late"
        )
    }
}

/// A file system of one mebibyte that only the agent sees. Mounting is a right that a container may not give; then libc refuses instead.
private enum SmallDisk {
    case mounted(URL)
    case refusing(Preload)

    static func make(in folder: URL) async throws -> SmallDisk {
        let place = folder.appendingPathComponent("small")
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        let attempt = try await Program(name: "/bin/sh").run(["-c", "exec \(command(place)) true"])
        if attempt.status == 0 { return .mounted(place) }
        let preload = try Preload(folder: place)
        try preload.fillDisk(true)
        return .refusing(preload)
    }

    /// The words of a shell that put a full small disk in place of `place` and become what follows.
    private static func command(_ place: URL) -> String {
        let user = getuid() == 0 ? "" : "--map-root-user "
        return "unshare --mount \(user)sh -c 'mount -t tmpfs -o size=1m,mode=0777 small \"\(place.path)\" && "
            + "{ head -c 2000000 /dev/zero >\"\(place.path)/filler\" 2>/dev/null; exec \"$@\"; }' sh"
    }

    var place: URL {
        switch self {
        case .mounted(let place): place
        case .refusing(let preload): preload.folder
        }
    }

    var name: String {
        switch self {
        case .mounted: "a tmpfs of 1 MiB, full at the start"
        case .refusing: "refused at open (no right to mount here)"
        }
    }

    var launcher: [String] {
        switch self {
        case .mounted(let place): ["/bin/sh", "-c", "exec \(Self.command(place)) \"$@\"", "sh"]
        case .refusing: []
        }
    }

    var environment: [String: String] {
        if case .refusing(let preload) = self { preload.environment } else { [:] }
    }

    /// - Parameter process: the agent, in whose view of the system the disk is.
    func fill(_ isFull: Bool, _ process: Int32) async throws {
        switch self {
        case .refusing(let preload): try preload.fillDisk(isFull)
        case .mounted(let place):
            let filler = "'/proc/\(process)/root\(place.path)/filler'"
            // More than there is room for, and no more than that if the disk were another one after all.
            let command = isFull ? "head -c 2000000 /dev/zero >\(filler); test -s \(filler)" : "rm \(filler)"
            let result = try await Program(name: "/bin/sh").run(["-c", command])
            guard result.status == 0 else { throw BenchError("\(command): \(result.errors)") }
        }
    }
}
