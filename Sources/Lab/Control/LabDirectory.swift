// The folder that a person's lab runs in: where the commands find it, and where configuration and environment are written.
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder with the control socket, the configuration and the environment of one running lab.
package struct LabDirectory: Sendable {
    package let path: String

    /// `$XDG_RUNTIME_DIR/agent-lab`, or a folder of this user's own in the folder for temporary files.
    package static var standard: String {
        if let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"], !runtime.isEmpty { return runtime + "/agent-lab" }
        return "/tmp/agent-lab-\(geteuid())"
    }

    /// Makes the folder if need be. **Throws**: `LabError` when it belongs to somebody else.
    package init(_ path: String?) throws {
        self.path = path ?? Self.standard
        do {
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
        } catch {
            throw LabError("The folder \(self.path) cannot be made: \(error).")
        }
        // In a folder that everybody may write to, the name could have been taken by somebody else, or be a link to somewhere else.
        var status = stat()
        guard unsafe lstat(self.path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
            throw LabError("\(self.path) is not a folder of this user's own. Name another one with --directory.")
        }
        // The server's account must be able to pass through to its own part.
        guard unsafe chmod(self.path, 0o711) == 0 else { throw LabError("The permissions of \(self.path) cannot be set (errno \(errno)).") }
    }

    package var configurationFile: String { path + "/agent.yaml" }
    package var environmentFile: String { path + "/environment" }

    package func write(_ text: String, to file: String) throws {
        do {
            if FileManager.default.fileExists(atPath: file) { try FileManager.default.removeItem(atPath: file) }
            guard FileManager.default.createFile(atPath: file, contents: Data(text.utf8), attributes: [.posixPermissions: 0o600]) else {
                throw LabError("it cannot be created")
            }
        } catch {
            throw LabError("\(file) cannot be written: \(error).")
        }
    }

    package func remove(_ file: String) { try? FileManager.default.removeItem(atPath: file) }
}
