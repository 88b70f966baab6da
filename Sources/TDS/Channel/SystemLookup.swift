// The name service of the operating system, for callers that bring none of their own.

import NIOCore
import NIOPosix

/// Asks `getaddrinfo` on a thread for blocking work. It gives one address; callers that want all of them set `TDSOptions.lookUp`.
///
/// The thread cannot be stopped, so a lookup that takes too long is left behind: whoever waits is answered at the deadline or when cancelled.
enum SystemLookup {
    static func addresses(of host: String, on loop: any EventLoop, until deadline: ContinuousClock.Instant) async throws(TDSFailure)
        -> [String]
    {
        let waiter = OneAnswer<[String]>()
        return try await waiter.wait(
            on: loop, until: deadline, timedOut: TDSFailure(.timedOut, during: .name, "The name \(host) was not resolved in time."),
            cancelled: TDSFailure(.cancelled, during: .name, "The name lookup was cancelled.")
        ) {
            NIOThreadPool.singleton.runIfActive(eventLoop: loop) { try SocketAddress.makeAddressResolvingHost(host, port: 0) }.whenComplete
            {
                switch $0 {
                case .success(let address): waiter.answer(.success([address.ipAddress].compactMap(\.self)))
                case .failure(let error):
                    waiter.answer(.failure(TDSFailure(.nameNotFound, during: .name, "The name service does not know \(host) (\(error)).")))
                }
            }
        }
    }
}
