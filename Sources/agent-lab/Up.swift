// `agent-lab up`: starts a lab, says where everything is, and runs until it is told to end.
import ArgumentParser
import Diagnosis
import Lab
import Logging

struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Start a lab and keep it until Ctrl-C.")

    @OptionGroup var place: Place
    @Option(help: "Only servers of this engine: postgresql, mysql or azuresql (default: all three).") var engine: String?
    @Option(help: "How many targets of one engine, all behind one proxy (default: orders, billing, stock and ledger, each with its own).")
    var targets: Int?
    @Option(help: "How many of the targets never answer.") var blackHole = 0
    @Option(help: "Write the agent's configuration to this file too.") var configOut: String?
    @Option(help: "Write the environment to this file too.") var envOut: String?
    @Option(help: "Which identity endpoint the environment names: appService or imds.") var identity = "appService"
    @Option(help: "How PostgreSQL checks tokens: automatic, pam or password.") var tokenCheck = "automatic"
    @Option(help: "The max_connections of each server.") var maxConnections = 100
    @Option(help: "After how many seconds without a session the databases of Azure SQL pause; a login resumes them (default: never).")
    var pauseAfter: Int?
    @Flag(help: "Let clients reach the servers without the fault proxy.") var direct = false
    @Flag(help: "Log every decision over a token to standard error.") var verbose = false

    func validate() throws {
        guard LabOptions.IdentityKind(rawValue: identity) != nil else { throw ValidationError("--identity is appService or imds.") }
        guard engine.map({ Engine(rawValue: $0) != nil }) ?? true else {
            throw ValidationError("--engine is postgresql, mysql or azuresql.")
        }
        guard LabOptions.TokenCheck(rawValue: tokenCheck) != nil else {
            throw ValidationError("--token-check is automatic, pam or password.")
        }
        guard (pauseAfter ?? 1) > 0, (pauseAfter ?? 1) <= 86_400 else { throw ValidationError("--pause-after is between 1 and 86400.") }
        guard (targets ?? 1) > 0, (targets ?? 1) <= 100_000 else { throw ValidationError("--targets is between 1 and 100000.") }
        guard blackHole >= 0, blackHole <= targets ?? 0 else { throw ValidationError("--black-hole cannot exceed --targets.") }
    }

    func run() async throws {
        do {
            try await serve()
        } catch let error as LabError {
            printError(error.description)
            throw ExitCode(70)
        }
    }

    private func serve() async throws {
        let interruption = Interruption()
        let directory = try LabDirectory(place.directory)
        guard await !ControlSocket.isAnswered(in: directory.path) else {
            throw LabError("A lab is already running in \(directory.path). Stop it, or name another folder with --directory.")
        }
        var options = LabOptions()
        options.parentDirectory = directory.path
        let wanted = engine.flatMap { Engine(rawValue: $0) }
        options.targets = wanted.map(LabTarget.standard(of:)) ?? LabTarget.everyEngine
        if let targets { options.targets = LabTarget.fleet(count: targets, blackHoles: blackHole, engine: wanted ?? .postgresql) }
        if let pauseAfter {
            for index in options.targets.indices where options.targets[index].engine == .azuresql {
                options.targets[index].isServerless = true
                options.targets[index].pausesAfter = .seconds(pauseAfter)
            }
        }
        options.identityKind = LabOptions.IdentityKind(rawValue: identity) ?? .appService
        options.tokenCheck = LabOptions.TokenCheck(rawValue: tokenCheck) ?? .automatic
        options.maxConnections = maxConnections
        options.direct = direct
        var logger = Logger(label: "agent-lab") { label in StreamLogHandler.standardError(label: label) }
        logger.logLevel = verbose ? .debug : .error
        let lab = try await Lab.start(options, logger: logger)
        let control: ControlSocket
        do {
            let configuration = configOut ?? directory.configurationFile
            for file in Set([directory.configurationFile, configuration]) { try directory.write(lab.configurationYAML, to: file) }
            let environment = lab.environmentScript(configuration: configuration)
            for file in Set([directory.environmentFile, envOut ?? directory.environmentFile]) { try directory.write(environment, to: file) }
            control = try await ControlSocket.open(for: lab, in: directory.path, configuration: configuration)
            announce(lab, directory: directory, configuration: configuration)
        } catch {
            await lab.stop()
            throw error
        }
        let signals = interruption.signals
        let breakdown = await withTaskGroup(of: String?.self) { group in
            group.addTask {
                for await _ in signals {}
                return nil
            }
            if let postgres = lab.postgres { group.addTask { await postgres.end() } }
            if let mysql = lab.mysql { group.addTask { await mysql.end() } }
            let reason = await group.next() ?? nil
            await control.close()
            // Ends the other wait as well.
            await lab.stop()
            group.cancelAll()
            return reason
        }
        directory.remove(directory.configurationFile)
        directory.remove(directory.environmentFile)
        if let breakdown { throw LabError(breakdown) }
    }

    private func announce(_ lab: Lab, directory: LabDirectory, configuration: String) {
        let environmentFile = envOut ?? directory.environmentFile
        if place.json {
            print(lab.readyLine(directory: directory.path, configuration: configuration, environmentFile: environmentFile))
        } else {
            let count = lab.options.targets.count
            print("ready: \(count) \(count == 1 ? "target" : "targets"), configuration \(configuration), environment \(environmentFile)")
        }
        flushOutput()
        if let notice = lab.postgres?.notice { printError(notice) }
        if lab.postgres?.tokenCheck == .password {
            printError(
                """
                PostgreSQL compares tokens as passwords: it cannot see a wrong audience or an expired token, \
                and only the last token issued to a principal works
                """
            )
        }
    }
}
