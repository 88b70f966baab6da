// As much of HTTP/1.1 as the identity endpoints need, with access to the raw bytes for the faults. Source: RFC 9112.

/// A request as received.
package struct HTTPRequest: Sendable {
    package var method: String
    package var path: String
    package var query: [String: String]
    /// Names in lower case.
    package var headers: [String: String]

    /// Reads the next request of a connection; nil when there is none, or when it is no HTTP.
    static func read(from connection: Connection) async throws -> HTTPRequest? {
        guard let head = try await connection.read(until: Array("\r\n\r\n".utf8), limit: 16_384) else { return nil }
        var lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)[...]
        let words = (lines.popFirst() ?? "").split(separator: " ")
        guard words.count == 3, words[2].hasPrefix("HTTP/1.") else { return nil }
        var headers: [String: String] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value)
        }
        if let length = headers["content-length"].flatMap(Int.init), length > 0 {
            guard length <= 65_536, try await connection.read(length) != nil else { return nil }
        }
        let parts = words[1].split(separator: "?", maxSplits: 1)
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            query[decode(sides[0])] = sides.count > 1 ? decode(sides[1]) : ""
        }
        return HTTPRequest(method: String(words[0]), path: String(parts.first ?? "/"), query: query, headers: headers)
    }

    private static func decode(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A reply to be sent.
struct HTTPReply: Sendable {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: String = ""
    var contentType = "application/json; charset=utf-8"

    private static let reasons = [
        200: "OK", 302: "Found", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 410: "Gone",
        429: "Too Many Requests", 500: "Internal Server Error",
    ]

    /// Head and body. `announced` is the length that the head claims; the body's own when nil.
    func text(announced: Int? = nil) -> String {
        var lines = ["HTTP/1.1 \(status) \(Self.reasons[status] ?? "Status")", "Content-Type: \(contentType)", "Date: \(HTTPDate.now)"]
        lines += headers.map { "\($0.name): \($0.value)" }
        lines.append("Content-Length: \(announced ?? body.utf8.count)")
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }
}
