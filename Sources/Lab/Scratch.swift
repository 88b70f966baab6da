// The folder that holds everything a lab writes, and that goes away with it.
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A folder of the lab's own. Others may pass through it (mode 0711) so that the server's user can reach its part; only the owner lists it.
package struct Scratch: Sendable {
    package let path: String

    /// **Throws**: `LabError` when the folder cannot be made.
    init(in parent: String?) throws {
        let base = parent ?? ProcessInfo.processInfo.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        let name = "lab-" + String(UInt64.random(in: .min ... .max), radix: 36)
        let path = base + "/" + name
        // The longest socket name inside is `/pg/.s.PGSQL.65535`; `sockaddr_un` ends at 108 bytes. Source: unix(7).
        guard path.utf8.count < 85 else {
            throw LabError("The folder \(base) has too long a path for the sockets of the lab; name a shorter one.")
        }
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o711])
            try FileManager.default.setAttributes([.posixPermissions: 0o711], ofItemAtPath: path)
        } catch {
            throw LabError("The scratch folder \(path) cannot be made: \(error).")
        }
        self.path = path
    }

    func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file with exactly these permissions.
    func write(_ text: String, to name: String, mode: Int = 0o600) throws {
        let path = file(name)
        do {
            try Data(text.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        } catch {
            throw LabError("The file \(path) cannot be written: \(error).")
        }
    }

    /// Makes `name` (a file or folder) belong to another account.
    func give(_ name: String, to account: Account) throws {
        guard unsafe chown(file(name), account.user, account.group) == 0 else {
            throw LabError("The owner of \(file(name)) cannot be changed (errno \(errno)).")
        }
    }

    func makeFolder(_ name: String, mode: Int) throws {
        do {
            try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: false)
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file(name))
        } catch {
            throw LabError("The folder \(file(name)) cannot be made: \(error).")
        }
    }

    func remove() { try? FileManager.default.removeItem(atPath: path) }
}

/// A user of this machine.
struct Account: Sendable {
    var user: uid_t
    var group: gid_t

    static var isRoot: Bool { geteuid() == 0 }

    /// The account that a server runs as which refuses to run as root; nil when the lab does not run as root either.
    /// **Throws**: `LabError` that names the package to install.
    static func running(_ program: String, as name: String, package: String) throws -> Account? {
        guard isRoot else { return nil }
        guard let account = Account(name: name) else {
            throw LabError(
                """
                \(program) does not run as root, and this machine has no user \(name). \
                Install the package \(package), or start the lab as another user.
                """
            )
        }
        return account
    }

    /// The account called `name`, or nil when there is none.
    init?(name: String) {
        guard let entry = unsafe getpwnam(name) else { return nil }
        self.user = unsafe entry.pointee.pw_uid
        self.group = unsafe entry.pointee.pw_gid
    }
}
