// Where output goes: data to standard output, everything else to standard error.
import Diagnosis
import Glibc
import Settings

/// The two streams of a command.
enum Terminal {
    static func print(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    static func note(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

    /// Whether a person watches standard output and wants colour.
    static var wantsColour: Bool { isatty(STDOUT_FILENO) == 1 && !Surroundings.refusesColour(Surroundings.variables) }
    static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

    /// Columns of the terminal behind standard output, 0 when there is none.
    static var width: Int {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return 0 }
        return Int(size.ws_col)
    }

    static var hostName: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe buffer.withUnsafeMutableBufferPointer({ unsafe gethostname($0.baseAddress, $0.count - 1) }) == 0 else { return "unknown" }
        return Redactor.scrub(String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    /// A reader that went away is no error of the command.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                bytes = bytes.dropFirst(count)
            } else if errno == EAGAIN {
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&waiting, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }
}
