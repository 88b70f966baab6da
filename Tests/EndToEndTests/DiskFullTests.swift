// F3 of the promises: the disk below the history is full, while probes and endpoints go on.
import Diagnosis
import Foundation
import Lab
import Store
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(10))) struct DiskFullTests {
    /// How the disk becomes full. A mount of one's own is a right that a container may not give; then libc refuses in its place.
    private enum Disk {
        case mounted(URL)
        case refusing(Preload)

        /// A file system of one mebibyte that only the agent sees, where the system grants one.
        static func make(in folder: URL) async throws -> Disk {
            let place = folder.appendingPathComponent("small")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            let attempt = try await Program(name: "/bin/sh").run(["-c", "exec \(command(place)) true"])
            return attempt.status == 0 ? .mounted(place) : .refusing(try Preload(folder: place))
        }

        /// The words of a shell that put a small disk in place of `place` and become what follows.
        static func command(_ place: URL) -> String {
            let user = getuid() == 0 ? "" : "--map-root-user "
            return "unshare --mount \(user)sh -c 'mount -t tmpfs -o size=1m,mode=0777 small \"\(place.path)\" && exec \"$@\"' sh"
        }

        var name: String {
            switch self {
            case .mounted: "a tmpfs of 1 MiB"
            case .refusing: "a folder in which libc refuses (no right to mount here)"
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
        func fill(_ isFull: Bool, _ process: Int32) throws {
            switch self {
            case .refusing(let preload): try preload.fillDisk(isFull)
            case .mounted(let place):
                let filler = "/proc/\(process)/root\(place.path)/filler"
                guard isFull else { return try FileManager.default.removeItem(atPath: filler) }
                _ = FileManager.default.createFile(atPath: filler, contents: nil)
                let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: filler))
                defer { try? handle.close() }
                // Down to single bytes: pages that are half used are no room.
                for size in [65_536, 4096, 1] {
                    while (try? handle.write(contentsOf: Data(repeating: 1, count: size))) != nil {}
                }
            }
        }
    }

    @Test("A full disk stops the history and nothing else; it recovers by itself within 30 seconds of room")
    func fullDisk() async throws {
        try await withAgentBench { bench in
            let disk = try await Disk.make(in: bench.folder)
            let place = bench.folder.appendingPathComponent("small/history.db").path
            try bench.configure([(bench.historyPath, place)])
            let service = try await bench.startService(environment: disk.environment, through: disk.launcher)
            let process = service.program.identifier
            _ = try await eventually("the history is kept") { try await service.scrape().sum("dbprobe_store_up") == 1 ? true : nil }
            var recoveries: [Double] = []
            for round in 0..<Scale.pick(1, deep: 10) {
                let healthy = try await service.scrape()
                try disk.fill(true, process)
                let full = try await eventually("the store says that it is full") {
                    let scrape = try await service.scrape()
                    return scrape.sum("dbprobe_store_up") == 0 ? scrape : nil
                }
                try await Task.sleep(for: .seconds(Scale.pick(2, deep: 20)))
                let later = try await service.scrape()
                #expect(later.sum("dbprobe_store_up") == 0)
                let probes = (later.sum("dbprobe_probes_total") ?? 0) - (full.sum("dbprobe_probes_total") ?? 0)
                #expect(probes >= 2, "round \(round): probes go on")
                #expect(later.sum("dbprobe_probes_missed_total") == healthy.sum("dbprobe_probes_missed_total"))
                #expect(later.sum("dbprobe_up") == 2)
                for path in ["/livez", "/readyz", "/", "/api/v1/history"] { #expect(try await service.get(path).status == 200, "\(path)") }
                let begun = ContinuousClock.now
                try disk.fill(false, process)
                _ = try await eventually("the history is kept again") {
                    try await service.scrape().sum("dbprobe_store_up") == 1 ? true : nil
                }
                recoveries.append((ContinuousClock.now - begun).seconds)
            }
            #expect(recoveries.allSatisfy { $0 < 30 })
            let last = try await service.scrape()
            #expect(last.sum("dbprobe_store_record_failures_total") == 0, "what came while the disk was full was written afterwards")
            let lag = last.sum("dbprobe_schedule_lag_seconds_bucket", "le=\"0.1\"") ?? 0
            let all = last.sum("dbprobe_schedule_lag_seconds_count") ?? 1
            #expect(lag / all > 0.9, "probes start in time: \(lag) of \(all) within 100 ms")
            let lines = service.program.output.split(separator: "\n").filter { $0.contains("\"kind\":\"store\"") }
            #expect(lines.count == 1 + 2 * recoveries.count, "up, then down and up again each time")
            #expect(await service.program.stop().status == 0)
            promise(
                "F3",
                "on \(disk.name): back \(recoveries.map(rounded).joined(separator: ", ")) s after room, 0 records lost, \(Int(all - lag)) of \(Int(all)) probes started more than 100 ms late"
            )
        }
    }
}
