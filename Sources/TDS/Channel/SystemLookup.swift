// The name service of the operating system, for callers that bring none of their own.

import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Asks `getaddrinfo` on a thread for blocking work.
///
/// The thread cannot be stopped, so a lookup that takes too long is left behind: whoever waits is answered at the deadline or when cancelled.
enum SystemLookup {
    static func addresses(of host: String, on loop: any EventLoop, until deadline: ContinuousClock.Instant) async throws(TDSFailure)
        -> [String]
    {
        let waiter = OneAnswer<[String]>()
        return try await waiter.wait(
            until: deadline, timedOut: TDSFailure(.timedOut, during: .name, "The name \(host) was not resolved in time."),
            cancelled: TDSFailure(.cancelled, during: .name, "The name lookup was cancelled.")
        ) {
            NIOThreadPool.singleton.submit { state in
                guard case .active = state else {
                    return waiter.answer(.failure(TDSFailure(.unreachable, during: .name, "The process ends; \(host) was not looked up.")))
                }
                waiter.answer(Result { () throws(TDSFailure) in try ask(host) })
            }
        }
    }

    /// Every address of the name, in the order in which the system prefers them.
    private static func ask(_ host: String) throws(TDSFailure) -> [String] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
            unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
            unsafe hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(host, nil, &hints, &list)
        let errno = errno
        defer { if let list = unsafe list { unsafe freeaddrinfo(list) } }
        guard code == 0 else { throw failure(of: code, errno, host) }
        var found: [String] = []
        var next = unsafe list
        while let entry = unsafe next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let status = unsafe getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if status == 0, !found.contains(address) { found.append(address) }
            unsafe next = entry.pointee.ai_next
        }
        return found
    }

    /// A name that does not exist is told from a service that does not answer. **Source**: getaddrinfo(3), RETURN VALUE.
    static func failure(of code: CInt, _ errno: Int32, _ host: String) -> TDSFailure {
        let reason = unsafe String(cString: gai_strerror(code))
        guard code == EAI_AGAIN || code == EAI_FAIL || code == EAI_SYSTEM || code == EAI_MEMORY else {
            return TDSFailure(.nameNotFound, during: .name, "The name service does not know \(host) (\(reason)).")
        }
        return TDSFailure(
            .unreachable, during: .name, "The name service does not answer the question for \(host) (\(reason)).",
            errno: code == EAI_SYSTEM ? errno : nil)
    }
}
