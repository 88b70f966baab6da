// The lab as a program: `agent-lab up`, and commands that speak to the one that runs.
import ArgumentParser
import Lab

@main
struct AgentLab: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent-lab", abstract: "A small Azure on one machine, for tests and demonstrations of the agent.",
        discussion: """
            `agent-lab up` starts identity endpoints, a name service, a real PostgreSQL and MariaDB, and a server of Azure SQL of its \
            own, which let in only principals with a valid token. The other commands speak to the lab that runs in the same folder.
            """,
        subcommands: [Up.self, FaultCommand.self, Env.self])
}

/// What all commands share.
struct Place: ParsableArguments {
    @Option(help: "The folder of the lab (default: agent-lab in $XDG_RUNTIME_DIR, else a folder of this user in /tmp).")
    var directory: String?

    @Flag(help: "Answer in JSON.")
    var json = false

    var path: String { directory ?? LabDirectory.standard }

    /// Asks the running lab and prints what it says.
    func ask(_ words: [String]) async throws {
        do {
            print(try await ControlSocket.ask([json ? "json" : "text"] + words, in: path), terminator: "")
        } catch {
            printError("\(error)")
            throw ExitCode(70)
        }
    }
}
