// How a transfer ends without a complete answer.

/// Why there is no ``HTTPReply``. Holds no header and no body, so it can become evidence.
package struct CurlFailure: Error, Sendable, Hashable {
    package var kind: Kind
    /// The number of libcurl (`CURLcode`); 0 when libcurl was not asked.
    package var code: Int32
    /// libcurl's own words.
    package var text: String
    /// How far the transfer got.
    package var step: Step
    /// Time from the start of the transfer.
    package var elapsed: Duration
    /// `errno` of the failed connection, where the system gave one.
    package var systemError: Int32?

    package init(
        _ kind: Kind, code: Int32 = 0, text: String, step: Step = .prepare, elapsed: Duration = .zero, systemError: Int32? = nil
    ) {
        self.kind = kind
        self.code = code
        self.text = text
        self.step = step
        self.elapsed = elapsed
        self.systemError = systemError
    }

    package enum Kind: String, Sendable, Hashable {
        /// libcurl gave up; `code` says why. A connect limit counts here.
        case transfer
        case bodyTooLarge
        /// The caller's deadline passed.
        case deadline
        /// The caller was cancelled: nothing to report.
        case cancelled
        /// The client was closed before or during the transfer.
        case closed
        /// The request itself cannot be sent: a malformed URL, a header with control characters.
        case request
    }

    /// The step that was not finished.
    package enum Step: String, Sendable, Hashable {
        case prepare, resolve, connect, tls, send, receive
    }
}
