// The byte samples of this suite: files beside this source, read once.

import Foundation
import Testing

@testable import TDS

/// What servers written by others answered, and what python-tds made of it.
struct Capture: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var request: Request
    var response: Response
    var expected: Expected?

    var testDescription: String { name }
    var isPrelogin: Bool { name.hasSuffix("-prelogin") }

    struct Request: Decodable, Sendable {
        var messages: [Message]
        struct Message: Decodable, Sendable {
            var packet_type: UInt8
            var stream_hex: String
        }
    }
    struct Response: Decodable, Sendable {
        var stream_hex: String
        var packets_hex: [String]
    }
    struct Expected: Decodable, Sendable {
        var tokens: [Token]?
        var columns: [Column]?
        var rows: [[Cell]]?
        var result_sets: [ResultSet]?
    }
    struct ResultSet: Decodable, Sendable {
        var columns: [Column]
        var rows: [[Cell]]
    }
    struct Column: Decodable, Sendable { var name: String }
    struct Cell: Decodable, Sendable {
        var type: String
        var value: Scalar?
        /// Long texts are described by their ends.
        var length: Int?
        var prefix: String?
        var suffix: String?
    }
    struct Token: Decodable, Sendable {
        var token: String
        var type: UInt8?
        var new: Scalar?
        var number: Int32?
        var state: UInt8?
        var `class`: UInt8?
        var message: String?
        var server: String?
        var procedure: String?
        var line: Int32?
        var status: UInt16?
        var rowcount: UInt64?
        var value: Scalar?
        var columns: [String]?
        var tds_version: String?
        var product_name: String?
        var product_version: String?
    }
    /// A scalar or a small object as one line of text.
    enum Scalar: Decodable, Sendable, Hashable {
        case text(String), number(Int), flag(Bool), object([String: Scalar])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let flag = try? container.decode(Bool.self) {
                self = .flag(flag)
            } else if let number = try? container.decode(Int.self) {
                self = .number(number)
            } else if let text = try? container.decode(String.self) {
                self = .text(text)
            } else {
                self = .object(try container.decode([String: Scalar].self))
            }
        }

        var line: String {
            switch self {
            case .text(let text): text
            case .number(let number): String(number)
            case .flag(let flag): flag ? "true" : "false"
            case .object(let fields): fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.line)" }.joined(separator: ",")
            }
        }
    }

    static let all = (try? read()) ?? []

    static func read() throws -> [Capture] {
        struct File: Decodable { var vectors: [Capture] }
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: Samples.folder.appending(path: "tds-vectors.json"))).vectors
    }
}

/// Messages of real programs: `Samples["login-odbc"]`.
enum Samples {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors")

    static let all: [String: [UInt8]] = {
        var samples: [String: [UInt8]] = [:]
        var name = ""
        for line in (try? String(contentsOf: folder.appending(path: "observed.txt"), encoding: .utf8))?.split(separator: "\n") ?? [] {
            if line.hasPrefix("[") {
                name = String(line.dropFirst().prefix { $0 != "]" })
            } else if !line.hasPrefix(";") {
                samples[name, default: []] += bytes(String(line))
            }
        }
        return samples
    }()

    static subscript(name: String) -> [UInt8] { all[name] ?? [] }

    static func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits.filter { !$0.isWhitespace })
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
    }
}

/// Everything a decoder makes of a stream, cut into portions of the given size (0: in one piece).
func decode(_ stream: [UInt8], portion: Int = 0, limits: DecodingLimits = DecodingLimits()) throws(WireError) -> [ReplyToken] {
    var decoder = TokenDecoder(limits: limits)
    var tokens: [ReplyToken] = []
    var rest = stream[...]
    repeat {
        let size = portion == 0 ? rest.count : portion
        decoder.append(rest.prefix(size))
        rest = rest.dropFirst(size)
        while let token = try decoder.next() { tokens.append(token) }
    } while !rest.isEmpty
    try decoder.endMessage()
    return tokens
}
