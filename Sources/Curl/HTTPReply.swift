// What an HTTP server answered.

/// A complete answer of any status.
package struct HTTPReply: Sendable, Hashable {
    package var status: Int
    /// The headers that somebody reads; all others are dropped unseen.
    package var headers: [Header: String]
    package var body: [UInt8]
    package var timings: Timings

    package init(status: Int, headers: [Header: String] = [:], body: [UInt8] = [], timings: Timings = Timings()) {
        self.status = status
        self.headers = headers
        self.body = body
        self.timings = timings
    }

    /// **Shape**: raw values in lower case; names are compared without regard to case.
    package enum Header: String, Sendable, Hashable, CaseIterable {
        case date
        case retryAfter = "retry-after"
        case server
        case contentType = "content-type"
        case wwwAuthenticate = "www-authenticate"
        case requestID = "x-ms-request-id"
        case location
        /// Of an agent's own answers: the number a command would end with, the checks that have no result, and those of them for which no
        /// place was free.
        case agentExit = "x-agent-exit"
        case agentUnfinished = "x-agent-unfinished"
        case agentCrowded = "x-agent-crowded"
    }

    /// When each step was over, counted from the start of the transfer; zero for a step that was not reached.
    package struct Timings: Sendable, Hashable {
        package var nameLookup: Duration = .zero
        package var connect: Duration = .zero
        package var tls: Duration = .zero
        package var firstByte: Duration = .zero
        package var total: Duration = .zero

        package init() {}
    }
}
