// A server may quote the token that it was shown; what is passed on of its words holds no part of it.

/// Takes every quotation of a token out of what a server says.
struct TokenScrubber {
    private let token: [UInt16]
    /// Every run of so many characters of the token is known again, wherever in the token it begins.
    private let length: Int

    init(_ token: TDSAccessToken) {
        var units: [UInt16] = []
        token.bytes.reveal { bytes in
            for index in stride(from: 0, to: bytes.count - 1, by: 2) { units.append(UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8) }
        }
        self.token = units
        length = min(Self.longestUnseen, units.count)
    }

    /// Shorter pieces of a token say nothing, and longer ones would be found too rarely. **Unit**: UTF-16 code units.
    private static let longestUnseen = 12
    /// A token of fewer characters is none. **Unit**: UTF-16 code units.
    private static let shortestToken = 4

    func scrubbed(_ failure: TDSFailure) -> TDSFailure {
        guard length >= Self.shortestToken, !failure.messages.isEmpty || !failure.bytes.isEmpty || failure.facts?.notices.isEmpty == false
        else { return failure }
        let runs = Set((0...token.count - length).map { Array(token[$0..<$0 + length]) })
        var failure = failure
        failure.detail = scrubbed(failure.detail, runs)
        failure.messages = failure.messages.map { scrubbed($0, runs) }
        if var facts = failure.facts {
            facts.notices = facts.notices.map { scrubbed($0, runs) }
            failure.facts = facts
        }
        if quotes(failure.bytes) { failure.bytes = [] }
        return failure
    }

    private func scrubbed(_ message: TDSServerMessage, _ runs: Set<[UInt16]>) -> TDSServerMessage {
        var message = message
        message.text = scrubbed(message.text, runs)
        message.server = scrubbed(message.server, runs)
        message.procedure = scrubbed(message.procedure, runs)
        return message
    }

    private func scrubbed(_ text: String, _ runs: Set<[UInt16]>) -> String {
        let units = Array(text.utf16)
        guard units.count >= length else { return text }
        var kept: [UInt16] = []
        var index = 0
        var isWithin = false
        while index < units.count {
            if index + length <= units.count, runs.contains(Array(units[index..<index + length])) {
                if !isWithin { kept += Array("<redacted>".utf16) }
                isWithin = true
                // One further only: the quotation may be longer than a run.
                index += 1
                if index + length > units.count || !runs.contains(Array(units[index..<index + length])) {
                    index += length - 1
                    isWithin = false
                }
                continue
            }
            kept.append(units[index])
            index += 1
        }
        return String(decoding: kept, as: UTF16.self)
    }

    /// Whether eight bytes in a row are the token's, in either width of its characters.
    private func quotes(_ bytes: [UInt8]) -> Bool {
        let wide = token.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        let narrow = token.map { UInt8(truncatingIfNeeded: $0) }
        guard bytes.count >= Self.evidence else { return false }
        return (0...bytes.count - Self.evidence).contains { start in
            let piece = bytes[start..<start + Self.evidence]
            return wide.firstRange(of: piece) != nil || narrow.firstRange(of: piece) != nil
        }
    }

    /// **Unit**: bytes.
    private static let evidence = 8
}
