// A socket on its way from the task that reads the greeting to the thread that logs in.
import Glibc
import Synchronization

/// A connected descriptor until the library gets it.
///
/// **Isolation**: passed on from the task that reads the greeting to the thread that logs in, never used by both.
final class GreetedSocket: Sendable {
    let descriptor: Int32
    private let isReleased = Mutex(false)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        if !isReleased.withLock({ $0 }) { _ = Glibc.close(descriptor) }
    }

    /// Gives the descriptor to an owner who closes it.
    func release() -> Int32 {
        isReleased.withLock { $0 = true }
        return descriptor
    }

    /// **Shape**: empty at the end of the stream.
    func receive(_ count: Int) -> Result<[UInt8], SystemError> {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.recv(descriptor, $0.baseAddress, $0.count, 0) }
        return received < 0 ? .failure(SystemError(code: errno)) : .success(Array(bytes.prefix(received)))
    }

    /// What is there already, without taking it; empty when nothing is.
    func peek(_ count: Int) -> [UInt8] {
        guard count > 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: count)
        let seen = unsafe bytes.withUnsafeMutableBytes { unsafe Glibc.recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_PEEK)) }
        return Array(bytes.prefix(max(0, seen)))
    }
}

struct SystemError: Error { var code: Int32 }
