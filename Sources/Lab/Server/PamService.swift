// The PAM module and its service file: how the real server asks the lab about a token.
import FoundationEssentials

/// A compiled module in the scratch folder and a service file of a unique name in `/etc/pam.d`.
struct PamService: Sendable {
    let name: String
    var file: String { "/etc/pam.d/" + name }

    /// Compiles the module, or takes a built one (`AGENT_LAB_PAM_MODULE`), and writes the service file.
    static func install(in scratch: Scratch, folder: String, socket: String) async throws -> PamService {
        let module = scratch.file(folder + "/pam_agent_lab.so")
        do {
            if let built = ProcessInfo.processInfo.environment["AGENT_LAB_PAM_MODULE"], !built.isEmpty {
                try FileManager.default.copyItem(atPath: built, toPath: module)
            } else {
                try await Command(program: try buildScript(), arguments: [module]).run()
            }
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: module)
            let service = PamService(name: "agent-lab-" + String(UInt64.random(in: .min ... .max), radix: 36))
            let text = """
                # Of a running agent-lab, which removes this file when it ends.
                auth    required \(module) socket=\(socket)
                account required \(module)

                """
            try Data(text.utf8).write(to: URL(filePath: service.file))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: service.file)
            return service
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
