// The file as the system sees it: rights, kind of file system, sizes, and setting a damaged one aside.
import Diagnosis

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Why a file cannot be used.
struct StoreRefusal: Error, Hashable {
    var trouble: StoreTrouble
    /// What failed, on what, why, and what to do.
    var message: String

    /// - Parameter code: an `errno`.
    static func system(_ code: CInt, _ what: String, _ path: String) -> StoreRefusal {
        let trouble: StoreTrouble =
            switch code {
            case ENOENT, ENOTDIR: .missing
            case EACCES, EPERM, EROFS: .readOnly
            case ENOSPC, EDQUOT: .diskFull
            default: .io
            }
        let advice =
            switch trouble {
            case .missing: "create the directory, or set history.path to one that exists"
            case .readOnly: "make the directory writable for the agent, or set history.path to one that is"
            case .diskFull: "free space, or set history.path to another disk"
            default: "look at the disk and its mount"
            }
        return StoreRefusal(trouble: trouble, message: "cannot \(what) \(path): \(text(of: code)); \(advice)")
    }

    private static func text(of code: CInt) -> String { unsafe String(cString: strerror(code)) }
}

/// A database file and the files that belong to it.
struct StoreFile: Sendable {
    let path: String
    /// The kernel's table of mounts; another one in tests.
    var mounts: @Sendable () -> MountTable? = MountTable.current
    /// Whether this process runs in a container.
    var isContainer = false
    /// Whether its folder is made when it is missing: for a place that nobody chose.
    var makesFolder = false
    /// Who this process is; somebody else in tests.
    var user = geteuid()

    /// How many damaged files are kept.
    static let setAsideLimit = 3

    var wal: String { path + "-wal" }
    var lock: String { path + ".lock" }

    /// Makes the folder, and those above it, for this user alone. **Source**: XDG Base Directory Specification, section 4.
    ///
    /// **Throws**: also when the folder belongs to somebody else who could have put it there, as in `/tmp`.
    func makeFolder() throws(StoreRefusal) {
        let folder = Self.split(path).directory
        try Self.make(folder)
        var (own, above) = (stat(), stat())
        guard unsafe lstat(folder, &own) == 0, unsafe stat(Self.split(folder).directory, &above) == 0 else {
            throw .system(errno, "look at", folder)
        }
        let isOpenToAll = above.st_mode & S_IWOTH != 0
        guard !isOpenToAll || own.st_uid == user else {
            throw StoreRefusal(
                trouble: .readOnly,
                message: """
                    \(folder) belongs to user \(own.st_uid), and everybody may write beside it; set history.path to a folder of your own
                    """)
        }
    }

    private static func make(_ folder: String) throws(StoreRefusal) {
        if unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
        let above = split(folder).directory
        guard errno == ENOENT, above != folder, above != "." else { throw .system(errno, "create the folder", folder) }
        try make(above)
        guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .system(errno, "create the folder", folder) }
    }

    /// Sees to it that the file exists, can be written and is readable for its owner only, whatever the umask.
    func prepare() throws(StoreRefusal) {
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(errno, "open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw .system(errno, "look at", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw StoreRefusal(trouble: .io, message: "\(path) is not a regular file; set history.path to a file")
        }
        // Not ours to change is no reason to fail: it can be written, and that was asked.
        if status.st_mode & 0o077 != 0 { fchmod(descriptor, 0o600) }
    }

    /// Whether the file lies on a file system that other machines write too, or that does without shared memory. SQLite's write-ahead
    /// log needs shared memory between processes of one machine. Source: SQLite, "Write-Ahead Logging", disadvantage 2.
    var isOnNetwork: Bool { realPath.flatMap { mounts()?.isShared($0) } ?? false }

    /// Why the file does not last; nil when it does.
    var fleeting: StoreStatus.Fleeting? { realPath.flatMap { mounts()?.fleeting($0, isContainer: isContainer) } }

    /// The path without links; nil when there is no such file.
    private var realPath: String? {
        guard let full = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(full) }
        return unsafe String(cString: full)
    }

    /// **Unit**: bytes; 0 when there is no such file.
    static func size(of path: String) -> Int64 {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return 0 }
        return Int64(status.st_size)
    }

    static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Renames the database with its log, so that a new one can be begun and a person can look at the old one.
    /// - Returns: the new name.
    func setAside(at time: Timestamp) throws(StoreRefusal) -> String {
        let stamp = time.description.filter { $0 != "-" && $0 != ":" && $0 != "." }
        let target = path + ".corrupt-" + stamp
        guard unsafe rename(path, target) == 0 else { throw .system(errno, "rename", path) }
        // The index of the log belongs to processes, not to the data; the log itself may hold the newest pages.
        _ = unsafe rename(wal, target + "-wal")
        _ = unsafe rename(path + "-shm", target + "-shm")
        removeOldest()
        return target
    }

    private func removeOldest() {
        let (directory, name) = Self.split(path)
        guard let stream = unsafe opendir(directory) else { return }
        defer { unsafe closedir(stream) }
        var found: [String] = []
        while let entry = unsafe readdir(stream) {
            let text = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if text.hasPrefix(name + ".corrupt-"), !text.hasSuffix("-wal"), !text.hasSuffix("-shm") { found.append(text) }
        }
        // The stamp sorts by time.
        for old in found.sorted().dropLast(Self.setAsideLimit) {
            for suffix in ["", "-wal", "-shm"] { _ = unsafe unlink(directory + "/" + old + suffix) }
        }
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
    }
}

extension FileLock {
    /// The right to write the file.
    static func of(_ file: StoreFile) throws(StoreRefusal) -> FileLock {
        do {
            return try FileLock(path: file.lock)
        } catch {
            switch error {
            case .held(let process):
                let holder = process.map { "process \($0)" } ?? "another process"
                throw StoreRefusal(
                    trouble: .locked,
                    message: "\(file.path) is in use by \(holder); stop it, or give this one a history.path of its own")
            case .system(let code): throw .system(code, "lock", file.lock)
            }
        }
    }
}
