// One answer to one request, before it is put on the wire.
import Diagnosis
import NIOCore

/// Status, headers and body of an answer.
struct Answer: Sendable {
    var status: Int
    var headers: [(String, String)]
    var body: ByteBuffer
    /// Whether the connection ends after it.
    var closes = false

    init(status: Int = 200, type: String, body: ByteBuffer, headers: [(String, String)] = [], closes: Bool = false) {
        self.status = status
        self.headers =
            [
                ("Content-Type", type), ("Content-Length", String(body.readableBytes)), ("X-Content-Type-Options", "nosniff"),
                ("Cache-Control", "no-store"),
            ] + headers
        self.body = body
        self.closes = closes
    }

    /// The same answer with its body in another coding. A body that cannot be compressed stays as it is.
    func coded(_ coding: ContentCoding) -> Answer {
        guard coding == .gzip, let packed = Gzip.compress(body) else { return self }
        var answer = self
        answer.body = packed
        answer.set("Content-Length", String(packed.readableBytes))
        answer.set("Content-Encoding", "gzip")
        return answer
    }

    /// Gives a header another value, or adds it.
    mutating func set(_ name: String, _ value: String) {
        headers.removeAll { $0.0 == name }
        headers.append((name, value))
    }

    static func json(_ json: JSON, status: Int = 200) -> Answer { .json(text: json.compact, status: status) }

    static func json(text: String, status: Int = 200) -> Answer {
        Answer(status: status, type: "application/json", body: ByteBuffer(string: text + "\n"))
    }

    static func text(_ text: String, status: Int = 200) -> Answer {
        Answer(status: status, type: "text/plain; charset=utf-8", body: ByteBuffer(string: text))
    }

    /// The one form of all errors. `code` comes from a closed list, `message` holds nothing that the client sent.
    static func error(_ status: Int, _ code: String, _ message: String, headers: [(String, String)] = [], closes: Bool = false) -> Answer {
        let json = Refusal(code: code, message: message).json
        return Answer(
            status: status, type: "application/json", body: ByteBuffer(string: json.compact + "\n"), headers: headers, closes: closes)
    }
}

/// The body of every answer that is an error.
struct Refusal: Sendable, JSONTabled {
    struct Reason: Sendable, JSONTabled {
        var code: String
        var message: String

        static let table = JSONTable<Reason>("refusal", "Why a request was refused.") {
            JSONKey("code", "A word for programs.", .text(pattern: "^[a-z_]+$")) { $0.code }
            JSONKey("message", "The same for people; holds nothing that the client sent.") { $0.message }
        }
    }

    private let reason: Reason

    init(code: String, message: String) { reason = Reason(code: code, message: message) }

    static let table = JSONTable<Refusal>("error", "An answer whose HTTP status is 400 or more.") {
        JSONKey("schema", "The number of the contract.") { _ in SchemaNumber() }
        JSONKey("error", "Why.") { $0.reason }
    }
}
