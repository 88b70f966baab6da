// Text from outside becomes printable and loses what looks like a secret, before it is stored, logged or shown.

/// Makes foreign text safe to print: no token, no password, no control characters, bounded length.
///
/// Types keep our own secrets in; this is the second line, for what servers and libraries say.
package enum Redactor {
    /// Longest text kept. **Unit**: Unicode scalars, not characters: one character can hold any number of combining marks.
    package static let limit = 512
    /// Longest text looked at. **Unit**: Unicode scalars.
    private static let inputLimit = 8192

    /// - Returns: `text` with secrets replaced by `<redacted>`, control and direction-changing characters removed, cut at ``limit``.
    package static func scrub(_ text: String) -> String {
        if isPlain(text) { return text }
        // Invisible characters vanish instead of becoming blanks, or one of them could part a token so that it is not recognised.
        var printable = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(inputLimit) where !isInvisible(scalar) {
            printable.append(isControl(scalar) ? " " : scalar)
        }
        var clean = withoutTokens(String(printable))
        for key in secretKeys { clean = hiding(valueAfter: key, in: clean) }
        let words = clean.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        guard words.unicodeScalars.count > limit else { return words }
        return String(String.UnicodeScalarView(words.unicodeScalars.prefix(limit - 1))) + "…"
    }

    /// - Returns: a whole document of another process without what could move the cursor or hide something; its lines, blanks and lengths stay,
    ///   so that a table is still a table and JSON still JSON.
    package static func harmless(_ document: String) -> String {
        String(String.UnicodeScalarView(document.unicodeScalars.filter { $0 == "\n" || !(isControl($0) || isInvisible($0)) }))
    }

    /// Whether `text` is short printable ASCII that no rule below can concern, as names, addresses and versions are: every probe brings
    /// several, and the rules cost more than the rest of keeping them.
    private static func isPlain(_ text: String) -> Bool {
        var count = 0
        var previous: UInt8 = 0x20
        var hasBlank = false
        var hasP = false
        var marks: (UInt8, UInt8) = (0, 0)
        for byte in text.utf8 {
            count += 1
            // An assignment, a control character, or the beginning `eyJ` of a token: for the rules to judge.
            guard count <= 64, byte >= 0x20, byte < 0x7F, byte != 0x3D, byte != 0x3A else { return false }
            if byte == 0x4A, marks == (0x65, 0x79) { return false }
            if byte == 0x20 {
                guard previous != 0x20 else { return false }
                hasBlank = true
            }
            // The one secret without an assignment is behind `identified by password`.
            if byte == 0x70 || byte == 0x50 { hasP = true }
            marks = (marks.1, byte)
            previous = byte
        }
        return previous != 0x20 && !(hasBlank && hasP)
    }

    /// What stands before a secret in foreign text. Lower case; an `=` or `:` and quotes may follow.
    private static let secretKeys = [
        "client_secret", "access_token", "accesstoken", "refresh_token", "id_token", "client_assertion", "password", "pwd",
        "x-identity-header", "identity_header", "msi_secret", "authorization: bearer", "authorization: basic",
        "identified by password",
    ]

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: true
        default: false
        }
    }

    /// Characters of no width, and those that turn the direction of what follows.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0xAD, 0x34F, 0x61C, 0x180E, 0x200B...0x200F, 0x202A...0x202E, 0x2060...0x206F, 0xFE00...0xFE0F, 0xFEFF, 0xFFF9...0xFFFB,
            0xE0000...0xE0FFF:
            true
        default: false
        }
    }

    /// Replaces what looks like a JSON Web Token or a piece of one: a run that begins with `eyJ` and has 16 characters of base64url
    /// and dots, and any run of base64url that is longer than a digest, a name or a GUID ever is.
    private static func withoutTokens(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard isTokenByte(bytes[index]) else {
                kept.append(bytes[index])
                index += 1
                continue
            }
            var end = index
            var (longest, part) = (0, 0)
            var token: Int?
            while end < bytes.count, isTokenByte(bytes[end]) {
                if token == nil, bytes[end...].starts(with: [0x65, 0x79, 0x4A]) { token = end }
                part = bytes[end] == 0x2E ? 0 : part + 1
                longest = max(longest, part)
                end += 1
            }
            if longest > longestWord {
                kept += Array("<redacted>".utf8)
            } else if let token, end - token >= 16 {
                kept += bytes[index..<token]
                kept += Array("<redacted>".utf8)
            } else {
                kept += bytes[index..<end]
            }
            index = end
        }
        return String(decoding: kept, as: UTF8.self)
    }

    /// A SHA-256 in hexadecimal has 64, a name in PostgreSQL 63, a label of a host name 63 characters.
    private static let longestWord = 72

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    /// Replaces the value behind `key` when an assignment (`=`, `:`, quotes) follows it; prose such as `password authentication` stays.
    private static func hiding(valueAfter key: String, in text: String) -> String {
        var bytes = Array(text.utf8)
        let needle = Array(key.utf8)
        let replacement = Array("<redacted>".utf8)
        var index = 0
        while index + needle.count < bytes.count {
            guard bytes[index..<index + needle.count].elementsEqual(needle, by: { lower($0) == $1 }) else {
                index += 1
                continue
            }
            var cursor = index + needle.count
            let valueFollowsDirectly = key.contains(" ")
            var sawAssignment = valueFollowsDirectly
            while cursor < bytes.count, [0x20, 0x22, 0x27, 0x3A, 0x3D, 0x5C].contains(bytes[cursor]) {
                if bytes[cursor] == 0x3D || bytes[cursor] == 0x3A { sawAssignment = true }
                cursor += 1
            }
            var end = cursor
            while end < bytes.count, ![0x20, 0x22, 0x27, 0x26, 0x2C, 0x3B, 0x7D, 0x5C].contains(bytes[end]) { end += 1 }
            if key == "password", isUsed(bytes[..<index], bytes[(index + needle.count)..<cursor], bytes[cursor..<end]) {
                index = end
            } else if sawAssignment, end > cursor {
                bytes.replaceSubrange(cursor..<end, with: replacement)
                index = cursor + replacement.count
            } else {
                index += needle.count
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether this is `using password: YES)` or `NO)`, by which MySQL says whether a password came: no secret, and the telling word.
    private static func isUsed(_ before: ArraySlice<UInt8>, _ between: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) -> Bool {
        before.suffix(7).elementsEqual("(using ".utf8) && between.elementsEqual(": ".utf8)
            && (value.elementsEqual("YES)".utf8) || value.elementsEqual("NO)".utf8))
    }

    private static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte + 0x20 : byte }
}
