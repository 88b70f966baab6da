// The judgement over the server's first message, byte by byte.
import Testing

@testable import Postgres

@Suite struct FirstMessageTests {
    struct Row: Sendable {
        var bytes: [UInt8]
        var verdict: FirstMessage
        var why: String
    }

    // Source: PostgreSQL documentation, "Message Formats", AuthenticationXXX and ErrorResponse.
    static let rows = [
        Row(bytes: [], verdict: .incomplete, why: "nothing is there yet"),
        Row(bytes: [0x52, 0, 0, 0, 8, 0, 0, 0, 3], verdict: .proceed, why: "clear-text password"),
        Row(bytes: Array("E".utf8) + [0, 0, 0, 90, 0x53], verdict: .proceed, why: "an error is for libpq to read"),
        Row(bytes: [0x45], verdict: .proceed, why: "an error, cut short"),
        Row(bytes: [0x45, 1, 0, 0, 0, 0x53, 0x46, 0x41, 0x54], verdict: .violation, why: "an error of 16 MiB"),
        Row(bytes: [0x45, 0, 0, 0, 7, 0x53, 0, 0, 0], verdict: .violation, why: "an error too short for any field"),
        Row(bytes: [0x52, 0, 0, 0, 8, 0, 0, 0, 0], verdict: .refuse(nil), why: "let in without a question"),
        Row(bytes: [0x52, 0, 0, 0, 12, 0, 0, 0, 5], verdict: .refuse(AuthenticationRequest(code: 5)), why: "MD5"),
        Row(bytes: [0x52, 0, 0, 0, 23, 0, 0, 0, 10], verdict: .refuse(AuthenticationRequest(code: 10)), why: "SASL"),
        Row(bytes: [0x52, 0, 0, 0, 8, 0, 0, 0, 7], verdict: .refuse(AuthenticationRequest(code: 7)), why: "GSSAPI"),
        Row(bytes: [0x52, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF], verdict: .refuse(AuthenticationRequest(code: .max)), why: "unknown"),
        Row(bytes: [0x52, 0, 0, 0, 9, 0, 0, 0, 3], verdict: .violation, why: "clear text with a body"),
        Row(bytes: [0x52, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 3], verdict: .violation, why: "a length of 2 GB"),
        Row(bytes: [0x52, 0, 0, 0, 0, 0, 0, 0, 3], verdict: .violation, why: "a length of zero"),
        Row(bytes: [0x52, 0, 0, 0, 8], verdict: .violation, why: "split over two records"),
        Row(bytes: [0x4E, 0, 0, 0, 8, 0, 0, 0, 3], verdict: .violation, why: "a notice"),
        Row(bytes: [0x5A, 0, 0, 0, 5, 0x49], verdict: .violation, why: "ready before anything"),
        Row(bytes: [0x48, 0x54, 0x54, 0x50, 0x2F, 0x31, 0x2E, 0x31, 0x20], verdict: .violation, why: "HTTP"),
    ]

    @Test("Only a clear-text request and errors pass", arguments: rows)
    func verdict(row: Row) { #expect(FirstMessage(row.bytes) == row.verdict, "\(row.why)") }

    @Test("Every first byte that is not an error or a request is a violation")
    func everyByte() {
        for byte in UInt8.min...UInt8.max where byte != 0x45 && byte != 0x52 {
            #expect(FirstMessage([byte, 0, 0, 0, 8, 0, 0, 0, 3]) == .violation)
        }
    }

    @Test("What was asked for has a name a person knows")
    func names() {
        #expect(AuthenticationRequest(code: 10).description.contains("SCRAM"))
        #expect(AuthenticationRequest(code: 5).description.contains("MD5"))
        #expect(AuthenticationRequest(code: 99).description.contains("99"))
    }
}
