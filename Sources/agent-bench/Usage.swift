// What a process has used: own CPU, CPU of finished children, memory and threads of any process.
import Diagnosis
import FoundationEssentials
import Glibc
import Telemetry

/// Writes without a buffer, so that who reads a pipe gets every line at once.
enum Output {
    static func write(_ line: String, to descriptor: Int32) {
        var bytes = Array((line + "\n").utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return }
            bytes = bytes.dropFirst(max(0, count))
        }
    }
}

enum Usage {
    /// CPU of this process so far, all threads, user and system. **Unit**: seconds.
    static var own: Double { ProcessStats.current()?.cpu.seconds ?? 0 }

    /// CPU of all children that have ended and were waited for. **Unit**: seconds.
    static var children: Double {
        var usage = rusage()
        guard unsafe getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage) == 0 else { return 0 }
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    /// Memory and threads of a process. **Unit**: MiB.
    struct Memory: Sendable {
        var resident: Double
        /// Not backed by a file: what the program itself has allocated.
        var anonymous: Double
        var threads: Int
        /// Whether Swift's runtime is inside the program, as in the image, and not in libraries beside it.
        var carriesRuntime: Bool

        /// Source: proc(5), `/proc/pid/status` and `/proc/pid/maps`.
        init(of process: String) throws {
            let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            func number(_ key: String) throws -> Int {
                for line in text.split(separator: "\n") where line.hasPrefix(key + ":") {
                    if let found = Int(line.filter(\.isNumber)) { return found }
                }
                throw BenchError("/proc/\(process)/status has no \(key)")
            }
            resident = Double(try number("VmRSS")) / 1024
            anonymous = Double(try number("RssAnon")) / 1024
            threads = try number("Threads")
            carriesRuntime = try !String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8).contains("/libswiftCore.so")
        }
    }
}
