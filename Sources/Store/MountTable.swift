// Which kind of file system a path lies on, out of the kernel's table of mounts.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is mounted where.
package struct MountTable: Sendable, Hashable {
    private let mounts: [Mount]

    private struct Mount: Sendable, Hashable {
        var point: String
        var kind: String
    }

    /// **Shape**: `id parent device root point options tags… - kind source more` a line, none or several tags; blanks in a point are `\040`.
    /// **Source**: proc_pid_mountinfo(5).
    init(_ text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count >= 8, let dash = fields[6...].firstIndex(of: "-"), dash + 1 < fields.endIndex else { return nil }
            return Mount(point: Self.plain(String(fields[4])), kind: String(fields[dash + 1]))
        }
    }

    /// The table of this process; nil when it cannot be read, or is absurdly long.
    package static func current() -> MountTable? {
        let descriptor = unsafe open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16384)
        while text.count < 1 << 20 {
            let count = unsafe part.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { return count == 0 ? MountTable(String(decoding: text, as: UTF8.self)) : nil }
            text += part[..<count]
        }
        return nil
    }

    /// Whether other machines, or programs without shared memory, may take part in the files below this path.
    func isShared(_ path: String) -> Bool {
        guard let kind = kind(of: path) else { return false }
        return kind == "fuse" || kind.hasPrefix("fuse.") || Self.shared.contains(kind)
    }

    /// Why files below this path do not last, although they can be written; nil when they do, as far as the table tells.
    /// - Parameters:
    ///   - path: absolute and without links.
    ///   - isContainer: whether this process runs in a container: its own layer goes with it. Elsewhere layers are how a system is installed.
    func fleeting(_ path: String, isContainer: Bool) -> StoreStatus.Fleeting? {
        guard let kind = kind(of: path) else { return nil }
        if Self.inMemory.contains(kind) { return .memory(kind) }
        return isContainer && Self.layered.contains(kind) ? .containerLayer(kind) : nil
    }

    /// The kind of the file system that a path lies on.
    /// - Parameter path: absolute and without links.
    func kind(of path: String) -> String? {
        let inside = mounts.filter { path == $0.point || $0.point == "/" || path.hasPrefix($0.point + "/") }
        // The longest point is the mount; of two at one point the later hides the earlier.
        guard let length = inside.map(\.point.utf8.count).max() else { return nil }
        return inside.last { $0.point.utf8.count == length }?.kind
    }

    private static let shared: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre", "glusterfs", "ocfs2", "gfs2", "virtiofs", "beegfs", "gpfs",
    ]

    private static let inMemory: Set<String> = ["tmpfs", "devtmpfs", "ramfs", "rootfs"]
    /// What containers' own layers are made of.
    private static let layered: Set<String> = ["overlay", "overlayfs", "aufs", "fuse.fuse-overlayfs"]

    private static func plain(_ field: String) -> String {
        guard field.contains("\\") else { return field }
        let bytes = Array(field.utf8)
        var plain: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "\\"), index + 3 < bytes.count,
                let code = UInt8(String(decoding: bytes[index + 1...index + 3], as: UTF8.self), radix: 8)
            {
                plain.append(code)
                index += 4
            } else {
                plain.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}
