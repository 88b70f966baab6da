// What is measured, in which order, and how it is told.
import ArgumentParser
import Diagnosis
import FoundationEssentials
import Glibc
import Telemetry

/// Groups of figures that are taken together.
enum FigureGroup: String, CaseIterable, ExpressibleByArgument {
    // Those that measure this process itself come first: the others leave threads and memory behind.
    case day, schedule, probe, mysql, azuresql, memory, diagnose, history
}

/// The program `agent-bench`: figures of the agent beside its peers.
@main
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent-bench",
        abstract: "Measures the agent beside its peers, on this machine, in one run.",
        discussion: """
            Starts a lab of its own for every group of figures, in a process of its own; only the agent's side is counted. Needs \
            PostgreSQL with pgbench on PATH, MariaDB, the programs agent and agent-bench-mysql beside this one, and for azuresql the \
            drivers of others that Tests/TDSTests/Drivers/install puts into .build-drivers. The figures are those of a release build.

            probe     CPU and rate of complete PostgreSQL probes beside pgbench -C with the same statement, token and CA file
            mysql     the same for MySQL, beside libmariadb in a loop in C
            azuresql  the same for Azure SQL, beside python-tds and Microsoft's driver (mssql-python), on the lab's server
            schedule  lateness of 1000 checks every 30 s, then with 990 of them black-holed; threads; the metrics page
            memory    resident and anonymous memory of agent run with 10 and with 1000 checks
            diagnose  one agent diagnose beside one psql, start-up included
            history   bytes of a routine success, and reading a day of one check
            day       a day of 1000 checks with simulated clocks and probes: lateness, bytes, memory, what retention does

            The exit status is 0 when every bar is met, 1 when one is not.
            """,
        subcommands: [Measure.self, LabChild.self], defaultSubcommand: Measure.self)
}

struct Measure: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "measure", abstract: "Measures; what happens without a subcommand.")

    @Flag(help: "Print JSON instead of a table.")
    var json = false

    @Option(help: ArgumentHelp("Only this group; may be repeated.", valueName: FigureGroup.allCases.map(\.rawValue).joined(separator: "|")))
    var only: [FigureGroup] = []

    @Option(help: ArgumentHelp("How long each run of the groups probe, mysql, azuresql and schedule lasts.", valueName: "seconds"))
    var seconds: Int?

    @Option(help: "Connections at once in the groups probe, mysql and azuresql.")
    var connections = 8

    @Option(help: ArgumentHelp("Where the drivers are that azuresql compares with.", valueName: "folder"))
    var drivers: String?

    @Option(help: "Observations in the group history.")
    var rows: Int?

    @Flag(help: "Short runs that show that everything works; the figures themselves mean little.")
    var quick = false

    func validate() throws {
        if let seconds, !(1...3600).contains(seconds) {
            throw ValidationError("--seconds \(seconds) is out of bounds; it takes 1 to 3600.")
        }
        guard (1...256).contains(connections) else { throw ValidationError("--connections takes 1 to 256.") }
        if let rows, !(10_000...100_000_000).contains(rows) { throw ValidationError("--rows takes 10000 to 100000000.") }
    }

    func run() async throws {
        #if DEBUG
            note("This is a debug build: its figures say nothing. Build with -c release.")
        #endif
        let groups = only.isEmpty ? FigureGroup.allCases : only
        // Not after ten minutes of other figures.
        let drivers = groups.contains(.azuresql) ? try Drivers(in: drivers) : nil
        let scratch = "/tmp/agent-bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let systemStore = SystemStore(file: scratch + "/roots.pem")
        // Before any thread of ours could read the environment. `pgbench` is no help here: it is given its file by name.
        unsafe setenv("SSL_CERT_FILE", systemStore.file, 1)
        addServerPrograms()
        raiseDescriptorLimit()
        let log = unsafe open(scratch + "/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw BenchError("\(scratch)/log cannot be written") }
        let sink = LogSink(descriptor: log)

        var figures: [Figure] = []
        for group in groups {
            note("measuring \(group.rawValue) …")
            let begin = ContinuousClock.now
            figures += try await measure(group, scratch, systemStore, sink, drivers)
            note("measured \(group.rawValue) in \(Int((ContinuousClock.now - begin).seconds)) s")
        }
        Output.write(json ? JSON.array(figures.map(\.json)).pretty : Figure.table(figures), to: STDOUT_FILENO)
        if !quick, figures.contains(where: { $0.isMet == false }) { throw ExitCode(1) }
    }

    private func measure(
        _ group: FigureGroup, _ scratch: String, _ systemStore: SystemStore, _ sink: LogSink, _ drivers: Drivers?
    ) async throws -> [Figure] {
        func probing(_ engine: Engine) async throws -> [Figure] {
            try await LabProcess(engine: engine).lend { lab in
                try await ProbeFigures(
                    lab: lab, connections: connections, seconds: seconds ?? (quick ? 1 : 6), rounds: quick ? 1 : 5, scratch: scratch,
                    systemStore: systemStore, sink: sink, drivers: drivers
                ).measure()
            }
        }
        switch group {
        case .probe: return try await probing(.postgresql)
        case .mysql: return try await probing(.mysql)
        case .azuresql: return try await probing(.azuresql)
        case .schedule:
            return try await ScheduleFigures(seconds: seconds ?? (quick ? 10 : 90), scratch: scratch, sink: sink).measure()
        case .memory:
            return try await ServiceFigures(scratch: scratch, settle: quick ? 1 : 30, repetitions: 0, checks: quick ? 100 : 1000)
                .measureMemory()
        case .diagnose:
            return try await ServiceFigures(scratch: scratch, settle: 0, repetitions: quick ? 3 : 21).measureDiagnose()
        case .history:
            return try await HistoryFigures(rows: rows ?? (quick ? 20_000 : 10_000_000), scratch: scratch).measure()
        case .day:
            return try await DayFigures(checks: quick ? 100 : 1000, hours: quick ? 1 : 24, commitEvery: quick ? 10 : 1, scratch: scratch)
                .measure()
        }
    }

    private func note(_ text: String) { Output.write(text, to: STDERR_FILENO) }

    /// Debian keeps pgbench in the server's own folder, off PATH for some users.
    private func addServerPrograms() {
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []).compactMap { Int($0) }.sorted(
            by: >)
        guard let newest = versions.first, let path = ProcessInfo.processInfo.environment["PATH"] else { return }
        unsafe setenv("PATH", "\(path):/usr/lib/postgresql/\(newest)/bin", 1)
    }

    /// Every black-holed check holds a descriptor while it waits.
    private func raiseDescriptorLimit() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = min(limit.rlim_max, 65536)
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
