// A server may quote the token that it was shown; what is passed on of its words holds no part of it.

/// Takes every quotation of a token out of what a server says, in whatever case its letters come.
struct TokenScrubber {
    private let token: [UInt16]
    /// Every run of so many characters of the token is known again, wherever in the token it begins.
    private let length: Int
    /// Which groups of four characters occur in the token, by their hash: what has none of them in a row is no quotation, and that is the rule.
    private let groups: [UInt64]

    init(_ token: TDSAccessToken) {
        var units: [UInt16] = []
        token.bytes.reveal { bytes in
            for index in stride(from: 0, to: bytes.count - 1, by: 2) {
                units.append(Self.folded(UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8))
            }
        }
        self.token = units
        length = min(Self.longestUnseen, units.count)
        var groups = [UInt64](repeating: 0, count: Self.groupBits / 64)
        for start in 0..<max(0, units.count - Self.group + 1) {
            let bit = Self.hash(units[start..<start + Self.group])
            groups[bit / 64] |= 1 << UInt64(bit % 64)
        }
        self.groups = groups
    }

    /// Shorter pieces of a token say nothing, and longer ones would be found too rarely. **Unit**: UTF-16 code units.
    private static let longestUnseen = 12
    /// A token of fewer characters is none. **Unit**: UTF-16 code units.
    private static let shortestToken = 4
    private static let group = 4
    private static let groupBits = 1 << 16

    func scrubbed(_ failure: TDSFailure) -> TDSFailure {
        var failure = failure
        // Before a login the server was not shown the token; what it says is scrubbed all the same, because nobody knows whom it talks to.
        if let runs = runs(quotedIn: [failure.detail] + failure.messages.flatMap(Self.texts)) {
            failure.detail = scrubbed(failure.detail, runs)
            failure.messages = failure.messages.map { scrubbed($0, runs) }
        }
        failure.facts = failure.facts.map(scrubbed)
        if quotes(failure.bytes) { failure.bytes = [] }
        return failure
    }

    func scrubbed(_ facts: TDSFacts) -> TDSFacts {
        let texts = [facts.program, facts.database, facts.redirectedTo].compactMap(\.self) + facts.notices.flatMap(Self.texts)
        guard let runs = runs(quotedIn: texts) else { return facts }
        var facts = facts
        facts.program = facts.program.map { scrubbed($0, runs) }
        facts.database = facts.database.map { scrubbed($0, runs) }
        facts.redirectedTo = facts.redirectedTo.map { scrubbed($0, runs) }
        facts.notices = facts.notices.map { scrubbed($0, runs) }
        return facts
    }

    /// Whether a text may hold a run of the token. Cheap, so that a login that works pays next to nothing.
    func mayQuote(_ text: String) -> Bool {
        guard length >= Self.shortestToken, text.utf16.count >= length else { return false }
        let units = text.utf16.map(Self.folded)
        var hits = 0
        for start in 0...units.count - Self.group {
            let bit = Self.hash(units[start..<start + Self.group])
            hits = groups[bit / 64] & 1 << UInt64(bit % 64) == 0 ? 0 : hits + 1
            if hits > length - Self.group { return true }
        }
        return false
    }

    /// Every run of the token; nil when none of the texts can hold one.
    private func runs(quotedIn texts: [String]) -> Set<[UInt16]>? {
        guard texts.contains(where: mayQuote) else { return nil }
        return Set((0...token.count - length).map { Array(token[$0..<$0 + length]) })
    }

    private static func texts(_ message: TDSServerMessage) -> [String] { [message.text, message.server, message.procedure] }

    private static func folded(_ unit: UInt16) -> UInt16 { (0x41...0x5A).contains(unit) ? unit | 0x20 : unit }

    private static func hash(_ units: ArraySlice<UInt16>) -> Int {
        var hash: UInt32 = 0
        for unit in units { hash = (hash ^ UInt32(unit)) &* 0x0100_0193 }
        return Int(hash >> 16)
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
        let folded = units.map(Self.folded)
        guard units.count >= length else { return text }
        var kept: [UInt16] = []
        var index = 0
        var isWithin = false
        while index < units.count {
            if index + length <= units.count, runs.contains(Array(folded[index..<index + length])) {
                if !isWithin { kept += Array("<redacted>".utf16) }
                isWithin = true
                // One further only: the quotation may be longer than a run.
                index += 1
                if index + length > units.count || !runs.contains(Array(folded[index..<index + length])) {
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
        guard bytes.count >= Self.evidence else { return false }
        let bytes = bytes.map { UInt8(truncatingIfNeeded: Self.folded(UInt16($0))) }
        let wide = token.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
        let narrow = token.map { UInt8(truncatingIfNeeded: $0) }
        return (0...bytes.count - Self.evidence).contains { start in
            let piece = bytes[start..<start + Self.evidence]
            return wide.firstRange(of: piece) != nil || narrow.firstRange(of: piece) != nil
        }
    }

    /// **Unit**: bytes.
    private static let evidence = 8
}
