// Which kind of file system a path lies on, out of the kernel's table of mounts.

/// What is mounted where.
struct MountTable: Sendable, Hashable {
    private let mounts: [Mount]

    private struct Mount: Sendable, Hashable {
        var point: String
        var kind: String
    }

    /// **Shape**: `device point kind options 0 0` a line; blanks in a point are `\040`. Source: fstab(5), proc(5).
    init(_ text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count >= 3 else { return nil }
            return Mount(point: Self.plain(String(fields[1])), kind: String(fields[2]))
        }
    }

    /// Whether other machines, or programs without shared memory, may take part in the files below this path.
    func isShared(_ path: String) -> Bool {
        let inside = mounts.filter { path == $0.point || $0.point == "/" || path.hasPrefix($0.point + "/") }
        // The longest point is the mount; of two at one point the later hides the earlier.
        guard let length = inside.map(\.point.utf8.count).max(),
            let mount = inside.last(where: { $0.point.utf8.count == length })
        else { return false }
        return mount.kind == "fuse" || mount.kind.hasPrefix("fuse.") || Self.shared.contains(mount.kind)
    }

    private static let shared: Set<String> = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre", "glusterfs", "ocfs2", "gfs2", "virtiofs",
    ]

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
