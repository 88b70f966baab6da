// `agent-lab env`: the variables that make a shell look like compute on Azure.
import ArgumentParser

struct Env: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the environment of an application beside the lab.", discussion: "Use it with: eval \"$(agent-lab env)\"")

    @OptionGroup var place: Place

    func run() async throws { try await place.ask(["environment"]) }
}
