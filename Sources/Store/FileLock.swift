// One writer per file: a lock beside the database, with the number of the process that holds it.
//
// The lock is on a file of its own. SQLite locks by `fcntl`, and closing any descriptor of the database would drop those locks.
#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Holds an advisory lock until it is released or the process ends, however it ends.
@safe struct FileLock: ~Copyable, Sendable {
    private let descriptor: CInt

    enum Refusal: Error, Hashable {
        /// Another process has it; its number, when the file says so.
        case held(by: Int?)
        case system(CInt)
    }

    /// **Throws**: at once, never waits.
    init(path: String) throws(Refusal) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .system(errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            let holder = Self.read(descriptor)
            close(descriptor)
            throw code == EWOULDBLOCK ? .held(by: holder) : .system(code)
        }
        let text = Array("\(getpid())\n".utf8)
        ftruncate(descriptor, 0)
        _ = unsafe text.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    private static func read(_ descriptor: CInt) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 24)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes.prefix(count).prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
    }

    deinit { close(descriptor) }
}
