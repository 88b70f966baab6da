// What the kernel says about this process.
package import Diagnosis

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The standard process metrics. Read from memory of the kernel: `/proc` waits for no disk.
package struct ProcessStats: Sendable, Hashable {
    /// User and system time of all threads.
    package var cpu: Duration
    /// **Unit**: bytes.
    package var residentMemory: Int64
    /// **Unit**: bytes.
    package var virtualMemory: Int64
    package var openDescriptors: Int
    package var descriptorLimit: Int64
    package var started: Timestamp

    package init(
        cpu: Duration, residentMemory: Int64, virtualMemory: Int64, openDescriptors: Int, descriptorLimit: Int64, started: Timestamp
    ) {
        self.cpu = cpu
        self.residentMemory = residentMemory
        self.virtualMemory = virtualMemory
        self.openDescriptors = openDescriptors
        self.descriptorLimit = descriptorLimit
        self.started = started
    }

    /// - Returns: nil where there is no `/proc`.
    package static func current() -> ProcessStats? {
        // Source: proc(5), /proc/pid/statm: size, resident, … in pages.
        let pages = text(of: "/proc/self/statm").split(separator: " ").compactMap { Int64($0) }
        guard pages.count >= 2 else { return nil }
        let pageSize = Int64(sysconf(Int32(_SC_PAGESIZE)))
        var usage = rusage()
        _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        let microseconds = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
        var limit = rlimit()
        _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return ProcessStats(
            cpu: .seconds(seconds) + .microseconds(microseconds), residentMemory: pages[1] * pageSize,
            virtualMemory: pages[0] * pageSize, openDescriptors: countDescriptors(), descriptorLimit: Int64(clamping: limit.rlim_cur),
            started: startTime)
    }

    /// Source: proc(5), /proc/pid/stat field 22 (start in ticks after boot) and `btime` of /proc/stat.
    private static let startTime: Timestamp = {
        let stat = text(of: "/proc/self/stat")
        let boot = text(of: "/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Int64($0.dropFirst(6)) }
        // The second field is the program's name in parentheses and may hold blanks.
        guard let boot, let close = stat.lastIndex(of: ")") else { return .now }
        let fields = stat[stat.index(after: close)...].split(separator: " ")
        guard fields.count > 19, let ticks = Int64(fields[19]) else { return .now }
        return Timestamp(milliseconds: boot * 1000 + ticks * 1000 / Int64(sysconf(Int32(_SC_CLK_TCK))))
    }()

    private static func countDescriptors() -> Int {
        guard let folder = unsafe opendir("/proc/self/fd") else { return 0 }
        defer { unsafe closedir(folder) }
        var count = 0
        while unsafe readdir(folder) != nil { count += 1 }
        // Not counted: `.`, `..` and the descriptor that reads the folder.
        return max(0, count - 3)
    }

    private static func text(of path: String) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 20 {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in unsafe read(descriptor, buffer.baseAddress, buffer.count) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
