// `agent-lab fault list|on|off`: breaks things in the running lab, and mends them.
import ArgumentParser
import Lab

struct FaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fault", abstract: "Switch faults of the running lab.", subcommands: [List.self, On.self, Off.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show all faults, what the agent should say, and which are on.")
        @OptionGroup var place: Place

        /// Works without a running lab too: then nothing is on.
        func run() async throws {
            if await ControlSocket.isAnswered(in: place.path) { return try await place.ask(["faults"]) }
            let table = FaultTable()
            print(place.json ? table.line : table.text, terminator: "")
        }
    }

    struct On: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Switch a fault on, for one target or for all.")
        @Argument(help: "The name of the fault.") var name: String
        @Argument(help: "The name of a target.") var target: String?
        @Option(help: "The number of faults that take one: bytes or milliseconds.") var value: Int?
        @OptionGroup var place: Place

        func run() async throws { try await place.ask(["on", name, target ?? "", value.map(String.init) ?? ""]) }
    }

    struct Off: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Switch a fault off; `all` switches every fault off.")
        @Argument(help: "The name of the fault, or all.") var name: String
        @Argument(help: "The name of a target.") var target: String?
        @OptionGroup var place: Place

        func run() async throws { try await place.ask(["off", name, target ?? ""]) }
    }
}
