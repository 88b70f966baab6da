// Reading small files without surprises: bounded, no pipes or devices, the reason in words.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

enum FileText {
    struct Problem: Error, Hashable {
        var text: String
        /// Whether there is nothing at that path.
        var isMissing = false
    }

    /// Reads a regular file. Blocks on the disk; never on a pipe, which is refused.
    static func read(_ path: String, limit: Int) -> Result<[UInt8], Problem> {
        if path.utf8.contains(0) { return .failure(Problem(text: "the path holds a zero byte")) }
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .failure(problem(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return .failure(problem(errno)) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: return .failure(Problem(text: "is a directory, not a file"))
        default: return .failure(Problem(text: "is no regular file"))
        }
        guard status.st_size <= limit else {
            return .failure(Problem(text: "is \(status.st_size) bytes long; at most \(limit) are read"))
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
            if count == 0 { return .success(bytes) }
            if count < 0 {
                if errno == EINTR { continue }
                return .failure(problem(errno))
            }
            bytes += chunk[..<count]
            // The file may have grown since it was measured.
            guard bytes.count <= limit else { return .failure(Problem(text: "is longer than the \(limit) bytes that are read")) }
        }
    }

    /// Whether there is something at the path, be it a link that leads nowhere.
    static func exists(_ path: String) -> Bool { mode(path, followingLinks: false) != nil }

    static func socketOwner(_ path: String) -> UInt32? {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        return status.st_uid
    }

    static func isDirectory(_ path: String) -> Bool {
        mode(path, followingLinks: true).map { $0 & S_IFMT == S_IFDIR } ?? false
    }

    private static func mode(_ path: String, followingLinks: Bool) -> mode_t? {
        var status = stat()
        let code = unsafe followingLinks ? stat(path, &status) : lstat(path, &status)
        return code == 0 ? status.st_mode : nil
    }

    static func isWritableDirectory(_ path: String) -> Bool {
        unsafe isDirectory(path) && access(path, W_OK | X_OK) == 0
    }

    private static func problem(_ number: Int32) -> Problem {
        switch number {
        case ENOENT, ENOTDIR: Problem(text: "there is no such file", isMissing: true)
        case EACCES, EPERM: Problem(text: "may not be read by this user (permission denied)")
        case ELOOP: Problem(text: "is a link that leads to itself")
        default: Problem(text: "cannot be read (errno \(number))")
        }
    }
}
