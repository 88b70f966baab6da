// Where the bytes of a reply are collected, within bounds.

/// Takes the header lines and the body of one reply.
///
/// **Isolation**: the client's thread, through libcurl's callbacks.
final class TransferSink {
    private(set) var headers: [HTTPReply.Header: String] = [:]
    private(set) var body: [UInt8] = []
    /// Whether a bound was passed; the transfer was then ended from here.
    private(set) var isOverLimit = false
    private let bodyLimit: Int
    private var headerBytes = 0

    /// All header lines of a reply together. **Unit**: bytes.
    static let headerLimit = 32 * 1024
    /// What is kept of one value. **Unit**: bytes.
    static let valueLimit = 512

    init(bodyLimit: Int) { self.bodyLimit = bodyLimit }

    /// - Returns: whether the transfer may go on.
    func take(header line: [UInt8]) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Self.headerLimit else {
            isOverLimit = true
            return false
        }
        // A new status line begins a new reply: what came before was an interim one (1xx).
        if line.starts(with: Array("HTTP/".utf8)) {
            headers = [:]
            body = []
            return true
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return true }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        guard let header = HTTPReply.Header(rawValue: name), headers[header] == nil else { return true }
        let value = line[(colon + 1)...].filter { $0 >= 0x20 && $0 < 0x7F }.prefix(Self.valueLimit)
        headers[header] = String(decoding: value.trimmingBlanks(), as: UTF8.self)
        return true
    }

    /// - Returns: whether the transfer may go on.
    func take(body part: [UInt8]) -> Bool {
        guard body.count + part.count <= bodyLimit else {
            isOverLimit = true
            body = []
            return false
        }
        body += part
        return true
    }
}

extension Collection where Element == UInt8, SubSequence: BidirectionalCollection, SubSequence.SubSequence == SubSequence {
    fileprivate func trimmingBlanks() -> SubSequence {
        var rest = drop { $0 == 0x20 || $0 == 0x09 }
        while let last = rest.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
        return rest
    }
}
