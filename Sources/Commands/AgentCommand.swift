// The program: one file per verb beside this one.
package import ArgumentParser
import Curl
import Diagnosis
import Glibc
import Readiness
import Settings
import Telemetry

/// `agent`, the diagnostics agent for passwordless database connections.
package struct AgentCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Finds out why a passwordless connection to an Azure database does not work, before users do.",
        discussion: """
            Logs in exactly as the application would, with a token of a managed identity, again and again, and says which step broke, \
            why, and what to run to mend it.

            EXAMPLES
              agent diagnose                      every check, once, now
              agent diagnose orders/app --output json
              agent run --config agent.yaml       the service: http://127.0.0.1:9745/
              agent token app                     what an identity gets, without the token

            EXIT STATUS
              0 healthy · 1 warnings only (with --fail-on warning) ·
              10 identity or token · 20 dns, tcp · 30 tls · 40 login ·
              50 privileges · 60 query · 64 usage · 70 internal ·
              75 could not finish · 78 configuration · 130 interrupted
            """,
        version: "agent \(AgentVersion.current)",
        subcommands: [
            RunCommand.self, DiagnoseCommand.self, TokenCommand.self, StatusCommand.self, HistoryCommand.self, IncidentsCommand.self,
            ChangesCommand.self, ConfigCommand.self, SchemaCommand.self, ExplainCommand.self, WaitCommand.self, DiscoverCommand.self,
            RestartSafeCommand.self,
        ])

    package init() {}

    /// Prepares the process and runs the verb that was asked for.
    package static func start() async {
        prepareProcess()
        await main()
    }

    /// What has to be true of the process before a second thread exists.
    private static func prepareProcess() {
        // A closed standard stream must not become the number of a socket or a database.
        for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(stream, F_GETFD) == -1 {
            _ = unsafe open("/dev/null", O_RDWR)
        }
        // A peer or a reader that goes away is an error code, never the end of the process.
        signal(SIGPIPE, SIG_IGN)
        // The parser of arguments traps where it wraps its help into fewer columns than it indents by.
        if let columns = Surroundings.variables["COLUMNS"].flatMap({ Int($0) }) ?? Terminal.columns, columns < Terminal.leastColumns {
            unsafe setenv("COLUMNS", "\(Terminal.leastColumns)", 1)
        }
        // libpq would take anything that is left out from these.
        for name in Surroundings.variables.keys where name.hasPrefix("PG") { unsafe unsetenv(name) }
        // Read now, because the environment is changed by it.
        _ = ServiceManager.inherited
        // Tokens live in this memory: no core file, no ptrace by other processes of the same user.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        ProcessMemory.hide()
        CurlClient.prepareLibrary()
    }
}

extension ServiceManager {
    /// Read once, before a second thread exists, and taken out of the environment: children must not speak in our name.
    static let inherited: ServiceManager? = {
        let variables = Surroundings.variables
        for name in Name.allCases where variables[name.rawValue] != nil { unsafe unsetenv(name.rawValue) }
        return ServiceManager(variables)
    }()
}
