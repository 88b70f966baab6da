// The PAM module and its service file: how the real servers ask the lab about a token.
import FoundationEssentials

/// A compiled module in the scratch folder, and a service file that names it.
struct PamService: Sendable {
    let name: String
    /// The folder of service files that the server has to read.
    let directory: String
    let module: String
    var file: String { directory + "/" + name }

    /// For a server started as it is: the service file gets a unique name in `/etc/pam.d`, which needs root.
    static func install(in scratch: Scratch, folder: String, socket: String) async throws -> PamService {
        try await PamService(
            name: "agent-lab-" + String(UInt64.random(in: .min ... .max), radix: 36), directory: "/etc/pam.d", in: scratch, folder: folder,
            socket: socket)
    }

    /// For a server that is started with the variables of `preloading`: the service file stays in the scratch folder, and no root is needed.
    static func place(in scratch: Scratch, folder: String, socket: String) async throws -> PamService {
        try scratch.makeFolder(folder + "/pam.d", mode: 0o755)
        return try await PamService(
            name: "agent-lab", directory: scratch.file(folder + "/pam.d"), in: scratch, folder: folder, socket: socket)
    }

    /// The module is more than a module: preloaded, it sends PAM to another folder of service files.
    var preloading: [String] { ["LD_PRELOAD=\(module)", "AGENT_LAB_PAM_DIR=\(directory)"] }

    /// Compiles the module, or takes a built one (`AGENT_LAB_PAM_MODULE`), and writes the service file.
    private init(name: String, directory: String, in scratch: Scratch, folder: String, socket: String) async throws {
        self.name = name
        self.directory = directory
        self.module = scratch.file(folder + "/pam_agent_lab.so")
        do {
            if let built = ProcessInfo.processInfo.environment["AGENT_LAB_PAM_MODULE"], !built.isEmpty {
                try FileManager.default.copyItem(atPath: built, toPath: module)
            } else {
                try await Command(program: try Self.buildScript(), arguments: [module]).run()
            }
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: module)
            let text = """
                # Of a running agent-lab, which removes this file when it ends.
                auth    required \(module) socket=\(socket)
                account required \(module)

                """
            try Data(text.utf8).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        } catch {
            throw LabError("The PAM module of the lab cannot be made: \(error)")
        }
    }

    /// The script of the source tree: found from the current folder, from the program's own folder upward, or where this file was compiled.
    private static func buildScript() throws -> String {
        let script = "deploy/lab/build-pam"
        var starts = [FileManager.default.currentDirectoryPath]
        if let program = CommandLine.arguments.first { starts.append(URL(filePath: program).deletingLastPathComponent().path) }
        starts.append(URL(filePath: #filePath).deletingLastPathComponent().path)
        for start in starts {
            var folder = URL(filePath: start)
            for _ in 0..<8 {
                let candidate = folder.appending(path: script).path
                if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
                folder.deleteLastPathComponent()
            }
        }
        throw LabError("\(script) was not found. Start the lab in the source tree, or name a built module in AGENT_LAB_PAM_MODULE.")
    }
}
