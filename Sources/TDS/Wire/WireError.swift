// What can be wrong with bytes, as a value: no byte of a peer can end the process.

/// Why bytes could not be turned into a value.
package struct WireError: Error, Sendable, Hashable, CustomStringConvertible {
    package var reason: Reason
    /// The first bytes of the message or token that was being read, at most `evidenceLength`.
    package var evidence: [UInt8] = []

    package init(_ reason: Reason, evidence: [UInt8] = []) {
        self.reason = reason
        self.evidence = evidence
    }

    /// How many bytes are kept for people to look at.
    package static let evidenceLength = 32

    package enum Reason: Sendable, Hashable {
        /// The value goes on past what has arrived; at least so many bytes more are wanted.
        case incomplete(missing: Int)
        /// A rule of the format is broken; the text names field and rule.
        case malformed(String)
        /// A token that this version does not know: the rest of the stream cannot be read.
        case unknownToken(UInt8)
        /// A column type outside the supported ones.
        case unsupportedType(UInt8)
        /// Well-formed, but larger than the reader is willing to take.
        case beyondLimit(String, limit: Int)
    }

    package static func malformed(_ what: String) -> WireError { WireError(.malformed(what)) }
    package static func beyondLimit(_ what: String, _ limit: Int) -> WireError { WireError(.beyondLimit(what, limit: limit)) }

    package var description: String {
        switch reason {
        case .incomplete(let missing): "the message ends \(missing) or more bytes too early"
        case .malformed(let what): what
        case .unknownToken(let token): "token 0x\(hexadecimal(token)) is unknown, so the rest of the reply cannot be read"
        case .unsupportedType(let type):
            "column type 0x\(hexadecimal(type)) is not supported; CAST it to int, decimal, nvarchar, varbinary or a date type"
        case .beyondLimit(let what, let limit): "\(what) exceeds the limit of \(limit)"
        }
    }
}

/// Two digits for a byte.
package func hexadecimal(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return text.count == 1 ? "0" + text : text
}

/// The bytes as digits, without separators.
package func hexadecimal(_ bytes: some Sequence<UInt8>) -> String { bytes.map { hexadecimal($0) }.joined() }
