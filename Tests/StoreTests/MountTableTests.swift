// A history on a file system that other machines write too: how it is recognised, and what is done about it.
import Diagnosis
import Foundation
import GRDB
import Logging
import Synchronization
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

    struct Layer: Sendable, CustomTestStringConvertible {
        var kind: String
        var inContainer: StoreStatus.Fleeting?
        var elsewhere: StoreStatus.Fleeting?
        var testDescription: String { kind }
    }

    @Test(
        "What lies in memory never lasts; a container's own layer does not last in a container, and elsewhere is how a system is installed",
        arguments: [
            Layer(kind: "overlay", inContainer: .containerLayer("overlay")), Layer(kind: "aufs", inContainer: .containerLayer("aufs")),
            Layer(kind: "fuse.fuse-overlayfs", inContainer: .containerLayer("fuse.fuse-overlayfs")),
            Layer(kind: "tmpfs", inContainer: .memory("tmpfs"), elsewhere: .memory("tmpfs")),
            Layer(kind: "devtmpfs", inContainer: .memory("devtmpfs"), elsewhere: .memory("devtmpfs")),
            Layer(kind: "ramfs", inContainer: .memory("ramfs"), elsewhere: .memory("ramfs")),
            Layer(kind: "ext4"), Layer(kind: "xfs"), Layer(kind: "nfs4"), Layer(kind: "cifs"), Layer(kind: "fuse.sshfs"),
        ])
    func fleeting(row: Layer) async throws {
        for isContainer in [true, false] {
            let expected = isContainer ? row.inContainer : row.elsewhere
            // As docker lays it out: the root is the layer, and a volume is a mount in it.
            let table = MountTable("21 1 0:50 / / rw,relatime - \(row.kind) there rw\n22 21 259:1 /v /volume rw - ext4 /dev/vda rw")
            #expect(table.fleeting("/var/lib/agent/history.db", isContainer: isContainer) == expected)
            #expect(table.fleeting("/volume/history.db", isContainer: isContainer) == nil, "a volume lasts")

            let scratch = try Scratch()
            let logs = LogCount()
            let told = Mutex<[StoreStatus.Fleeting?]>([])
            let store = HistoryStore(
                path: scratch.path, isContainer: isContainer, logger: logs.logger, mounts: { table },
                onChange: { status in told.withLock { $0.append(status.fleeting) } })
            store.record(Sample.success(at: 0))
            await store.flush()
            await store.flush()
            #expect(store.status.fleeting == expected && store.status.isUp && store.status.mode == .file && store.status.records == 1)
            #expect(told.withLock { $0 } == [expected], "told once")
            #expect(logs.text.components(separatedBy: "does not last where it lies").count == (expected == nil ? 1 : 2), "said once")
            #expect(logs.count(.warning) == (table.isShared(scratch.path) ? 1 : 0), "it works, so it is no warning")
            await store.close()
        }
    }

    @Test("The file counts where its links lead")
    func linkIntoMemory() async throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.folder + "/real", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: scratch.folder + "/link", withDestinationPath: "real")
        let real = try #require(URL(fileURLWithPath: scratch.folder + "/real").resolvingSymlinksInPath().path.removingPercentEncoding)
        let table = MountTable("21 1 259:1 / / rw - ext4 there rw\n22 21 0:9 / \(real) rw - tmpfs none rw")
        let store = HistoryStore(path: scratch.folder + "/link/history.db", logger: quiet, mounts: { table })
        await store.flush()
        #expect(store.status.fleeting == .memory("tmpfs"))
        await store.close()
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
