// Where output goes: data to standard output, everything else to standard error.
import Diagnosis
import Glibc
import Settings

/// The two streams of a command.
enum Terminal {
    /// A report that cannot be written must not pass for success: ends the program with 70 then.
    static func print(_ text: String) {
        let code = write(text.hasSuffix("\n") ? text : text + "\n", to: STDOUT_FILENO)
        guard code != 0 else { return }
        note("agent: the result could not be written to standard output (errno \(code)).")
        exit(ExitStatus.internal.rawValue)
    }

    static func note(_ text: String) { _ = write(text + "\n", to: STDERR_FILENO) }

    static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Colour only for a person who watches and does not refuse it; the width of the terminal, 100 columns without one.
    static var style: TextStyle {
        let isTerminal = isatty(STDOUT_FILENO) == 1
        let width = columns ?? 0
        return TextStyle(
            color: isTerminal && !Surroundings.refusesColour(Surroundings.variables), width: width >= leastColumns ? width : 100)
    }

    /// A terminal that is narrower than this breaks the lines itself.
    static let leastColumns = 40

    /// The width of the terminal that standard output is; nil when it is none, or has no width.
    static var columns: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown" }
        return Redactor.scrub(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// - Returns: 0, or the `errno` of what could not be written; a reader that went away is no error of the command.
    private static func write(_ text: String, to descriptor: Int32) -> Int32 {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            let code = errno
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if code == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&waiting, 1, 1000)
            } else if code == EPIPE {
                return 0
            } else if code != EINTR {
                return code
            }
        }
        return 0
    }
}
