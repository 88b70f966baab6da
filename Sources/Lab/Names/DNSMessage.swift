// Questions and answers of the name service. Source: RFC 1035 section 4.

/// A question taken out of a query.
struct DNSQuestion: Sendable, Equatable {
    var id: UInt16
    var isRecursionDesired: Bool
    /// Lower case, labels joined by dots, no dot at the end.
    var name: String
    var type: UInt16
    /// The question section as received, to be repeated in the answer.
    var section: [UInt8]

    static let typeA: UInt16 = 1
    static let typeAAAA: UInt16 = 28

    /// Nil when `bytes` is not a query with one question.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 17, bytes[2] & 0x80 == 0, bytes[4] == 0, bytes[5] == 1 else { return nil }
        self.id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        self.isRecursionDesired = bytes[2] & 1 == 1
        var labels: [String] = []
        var position = 12
        while true {
            guard position < bytes.count else { return nil }
            let length = Int(bytes[position])
            position += 1
            if length == 0 { break }
            // A pointer cannot occur in the first name of a message.
            guard length < 64, position + length <= bytes.count else { return nil }
            labels.append(String(decoding: bytes[position..<(position + length)], as: UTF8.self).lowercased())
            position += length
        }
        guard position + 4 <= bytes.count else { return nil }
        self.name = labels.joined(separator: ".")
        self.type = UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
        self.section = Array(bytes[12..<(position + 4)])
    }
}

/// An answer to be sent.
struct DNSAnswer: Sendable {
    var code: Code = .noError
    var records: [Record] = []
    /// Whether a start-of-authority record tells how long to remember the absence.
    var isNegative = false
    var isTruncated = false

    enum Code: UInt8, Sendable { case noError = 0, serverFailure = 2, nameError = 3, refused = 5 }

    enum Record: Sendable, Equatable {
        case alias(String, to: String)
        /// **Shape**: dotted IPv4 address.
        case address(String, String)
    }

    /// **Unit**: seconds.
    var timeToLive: UInt32 = 30

    func encode(for question: DNSQuestion) -> [UInt8] {
        func pair(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }
        let flags1: UInt8 = 0x80 | (isTruncated ? 2 : 0) | (question.isRecursionDesired ? 1 : 0)
        var bytes = pair(question.id) + [flags1, 0x80 | code.rawValue] + pair(1)
        bytes += pair(UInt16(isTruncated ? 0 : records.count)) + pair(isNegative ? 1 : 0) + pair(0) + question.section
        let life = [24, 16, 8, 0].map { UInt8(timeToLive >> UInt32($0) & 0xFF) }
        if !isTruncated {
            for record in records {
                switch record {
                case .alias(let name, let other):
                    let target = Self.encode(name: other)
                    bytes += Self.encode(name: name) + pair(5) + pair(1) + life + pair(UInt16(target.count)) + target
                case .address(let name, let address):
                    bytes +=
                        Self.encode(name: name) + pair(1) + pair(1) + life + pair(4) + address.split(separator: ".").map { UInt8($0) ?? 0 }
                }
            }
        }
        if isNegative {
            let data =
                Self.encode(name: "ns.lab.invalid") + Self.encode(name: "hostmaster.lab.invalid")
                + [0, 0, 0, 1] + [0, 0, 14, 16] + [0, 0, 3, 132] + [0, 9, 58, 128] + [0, 0, 0, 30]
            bytes += Self.encode(name: "database.azure.com") + pair(6) + pair(1) + life + pair(UInt16(data.count)) + data
        }
        return bytes
    }

    static func encode(name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
