// Messages of a PostgreSQL server, to be sent by scripts. Source: PostgreSQL, "Message Formats".

enum PostgresMessage {
    /// One message: type, length (its own four bytes included), content.
    static func message(_ type: Character, _ content: [UInt8]) -> [UInt8] {
        [type.asciiValue ?? 0] + number(UInt32(content.count + 4)) + content
    }

    static func number(_ value: UInt32) -> [UInt8] { [24, 16, 8, 0].map { UInt8(value >> UInt32($0) & 0xFF) } }
    static func short(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)] }
    static func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }

    /// An authentication request by its code: 0 ok, 3 clear text, 5 MD5, 7 GSS, 10 SASL.
    static func authentication(_ code: UInt32, _ rest: [UInt8] = []) -> [UInt8] { message("R", number(code) + rest) }

    static func error(_ sqlState: String, _ text: String, severity: String = "FATAL", detail: String? = nil, hint: String? = nil) -> [UInt8]
    {
        message("E", fields(sqlState, text, severity: severity, detail: detail, hint: hint))
    }

    static func notice(_ text: String) -> [UInt8] { message("N", fields("00000", text, severity: "NOTICE", detail: nil, hint: nil)) }

    private static func fields(_ sqlState: String, _ text: String, severity: String, detail: String?, hint: String?) -> [UInt8] {
        var content: [UInt8] = []
        let pairs: [(String, String?)] = [("S", severity), ("V", severity), ("C", sqlState), ("M", text), ("D", detail), ("H", hint)]
        for (code, value) in pairs {
            if let value { content += Array(code.utf8) + Self.text(value) }
        }
        return content + [0]
    }

    static func parameter(_ name: String, _ value: String) -> [UInt8] { message("S", text(name) + text(value)) }
    static let ready = message("Z", [UInt8(ascii: "I")])
    static let key = message("K", number(4_242) + number(0x1AB0_1AB0))
    static func complete(_ tag: String) -> [UInt8] { message("C", text(tag)) }

    /// One column of type text.
    static let rowDescription = message(
        "T", short(1) + text("filler") + number(0) + short(0) + number(25) + short(-1 & 0xFFFF) + number(0xFFFF_FFFF) + short(0))

    /// As many columns as the message can count, with names that libraries keep: more than three megabytes.
    static var wideRowDescription: [UInt8] {
        let column =
            text(String(repeating: "c", count: 40)) + number(0) + short(0) + number(25) + short(-1 & 0xFFFF) + number(0xFFFF_FFFF)
            + short(0)
        return message("T", short(0xFFFF) + Array(repeatElement(column, count: 0xFFFF).joined()))
    }

    /// A refusal whose text is none: lone continuation bytes, an overlong slash, half a surrogate, escapes, a bell, and bytes behind the end.
    static var badText: [UInt8] {
        let bytes: [UInt8] = [
            0x80, 0xBF, 0xC0, 0xAF, 0xED, 0xA0, 0x80, 0xFF, 0x1B, 0x5B, 0x32, 0x4A, 0x07, 0x0D, 0x0A, 0xF4, 0x90, 0x80, 0x80,
        ]
        return message(
            "E",
            text("SFATAL") + text("VFATAL") + text("C28P01") + [UInt8(ascii: "M")] + bytes + [0] + [UInt8(ascii: "D"), 0xFE, 0]
                + [UInt8(ascii: "?")] + bytes + [0, 0] + [0, 0, 0xFF])
    }

    static func row(_ value: String) -> [UInt8] { message("D", short(1) + number(UInt32(value.utf8.count)) + Array(value.utf8)) }

    /// What a server says between a successful login and the first statement.
    static let welcome: [UInt8] =
        authentication(0) + parameter("server_version", "16.4") + parameter("server_encoding", "UTF8")
        + parameter("client_encoding", "UTF8")
        + parameter("standard_conforming_strings", "on") + parameter("integer_datetimes", "on") + parameter("TimeZone", "UTC") + key + ready
}
