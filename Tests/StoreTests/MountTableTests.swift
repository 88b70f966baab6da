// A history on a file system that other machines write too: how it is recognised, and what is done about it.
import Diagnosis
import Foundation
import GRDB
import Logging
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct MountTableTests {
    struct Place: Sendable, CustomTestStringConvertible {
        var path: String
        var kind: String?
        var isShared: Bool
        var testDescription: String { path }
    }

    /// As kernels write it: optional tags or none, blanks as numbers, one mount over another, a share inside a share.
    private static let table = MountTable(
        #"""
        21 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
        22 21 0:21 / /proc rw,nosuid shared:2 master:7 propagate_from:3 - proc proc rw
        30 21 0:40 / /mnt/share rw,relatime - nfs4 files:/export rw,vers=4.2
        31 21 0:41 / /mnt/share-local rw - xfs /dev/vdb rw
        32 30 0:42 / /mnt/share/scratch rw - tmpfs none rw
        33 21 0:43 / /var/with\040blank rw - cifs //files/history rw
        34 21 0:44 / /hidden rw - nfs old:/x rw
        35 21 0:45 / /hidden rw - ext4 /dev/vdc rw
        36 21 0:46 / /home rw - fuse.sshfs me@there: rw
        37 21 0:47 / /disk rw - fuseblk /dev/vdd rw
        38 21 0:48 / /box rw - 9p host rw
        39 21 0:49 /sub /bound rw - nfs files:/export rw
        a line that is none
        40 21 0:50 / /cut rw
        """#)

    @Test(
        "The mount that a path lies on decides, the longest one and of two at one place the later",
        arguments: [
            Place(path: "/var/lib/agent/history.db", kind: "ext4", isShared: false),
            Place(path: "/mnt/share/agent/history.db", kind: "nfs4", isShared: true),
            Place(path: "/mnt/share", kind: "nfs4", isShared: true),
            Place(path: "/mnt/share-local/history.db", kind: "xfs", isShared: false),
            Place(path: "/mnt/share/scratch/history.db", kind: "tmpfs", isShared: false),
            Place(path: "/var/with blank/history.db", kind: "cifs", isShared: true),
            Place(path: "/hidden/history.db", kind: "ext4", isShared: false),
            Place(path: "/home/me/history.db", kind: "fuse.sshfs", isShared: true),
            Place(path: "/disk/history.db", kind: "fuseblk", isShared: false),
            Place(path: "/box/history.db", kind: "9p", isShared: true),
            Place(path: "/bound/history.db", kind: "nfs", isShared: true),
            Place(path: "/cut/history.db", kind: "ext4", isShared: false),
        ])
    func decision(place: Place) {
        #expect(Self.table.kind(of: place.path) == place.kind)
        #expect(Self.table.isShared(place.path) == place.isShared)
    }

    @Test("Without a table nothing is known, and a local disk is assumed")
    func empty() {
        #expect(MountTable("").kind(of: "/a") == nil)
        #expect(!MountTable("").isShared("/a"))
    }

    @Test("The kernel's own table is read: what every Linux has is of the kind that it is")
    func real() throws {
        let table = try #require(MountTable.current())
        #expect(table.kind(of: "/proc/self/status") == "proc")
        // Whatever else is mounted has a kind that the kernel knows. Within a chroot the root itself need not be a mount.
        let known = try String(contentsOfFile: "/proc/filesystems", encoding: .utf8).split(whereSeparator: { $0 == "\t" || $0 == "\n" })
        let kinds = ["/", "/dev/null", "/sys/kernel", "/tmp"].compactMap(table.kind(of:))
        #expect(!kinds.isEmpty)
        for kind in kinds { #expect(known.contains { $0 == kind || kind.hasPrefix($0 + ".") }, "\(kind)") }
    }

    @Test("On a shared file system there is no write-ahead log, the file is locked for others and a warning says so; on a disk not")
    func conduct() async throws {
        for isShared in [true, false] {
            let scratch = try Scratch()
            let kind = isShared ? "nfs4" : "ext4"
            let logs = LogCount()
            let store = HistoryStore(
                path: scratch.path, logger: logs.logger, mounts: { MountTable("21 1 259:1 / / rw - \(kind) there rw") })
            store.record(Sample.success(at: 0))
            await store.flush()
            #expect(store.status.mode == .file && store.status.isUp && store.status.records == 1, "\(kind)")
            #expect(scratch.names.contains("history.db-wal") == !isShared, "\(kind): \(scratch.names)")
            #expect(logs.count(.warning) == (isShared ? 1 : 0), "\(kind)")
            #expect(
                try await store.observations(HistoryQuery(limit: 5)).count == 1, "\(kind): read through the one connection that there is")
            var other = Configuration()
            other.readonly = true
            let reads =
                (try? DatabaseQueue(path: scratch.path, configuration: other).read { try Row.fetchAll($0, sql: "SELECT * FROM checks") })
            #expect((reads == nil) == isShared, "\(kind): \(String(describing: reads))")
            await store.close()
        }
    }
}
