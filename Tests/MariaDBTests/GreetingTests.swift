// The first packet of a server, from canned and random bytes.
import MariaDB
import Testing

@Suite struct GreetingTests {
    /// A greeting as MySQL 8 sends it.
    static let mysql8: [UInt8] =
        [10] + Array("8.0.39-azure".utf8) + [0] + [7, 0, 0, 0] + Array("abcdefgh".utf8) + [0] + [0xFF, 0xFF, 0xFF, 2, 0, 0xFF, 0xDF, 21]
        + [UInt8](repeating: 0, count: 10) + Array("ijklmnopqrst".utf8) + [0] + Array("caching_sha2_password".utf8) + [0]

    @Test func `a greeting of MySQL 8 is read`() throws {
        let greeting = try Greeting(Self.mysql8)
        #expect(greeting.serverVersion == "8.0.39-azure")
        #expect(greeting.connectionID == 7)
        #expect(greeting.offersTLS)
        #expect(!greeting.isMariaDB)
        #expect(greeting.plugin == "caching_sha2_password")
        #expect(greeting.scramble == Array("abcdefghijklmnopqrst".utf8))
    }

    @Test func `the prefix that MariaDB puts before its version is left out`() throws {
        let greeting = try Greeting([10] + Array("5.5.5-10.11.19-MariaDB".utf8) + [0] + Self.mysql8.dropFirst(14))
        #expect(greeting.serverVersion == "10.11.19-MariaDB")
        #expect(greeting.isMariaDB)
    }

    struct Refusal: Sendable {
        var bytes: [UInt8]
        var number: Int
        var sqlState: String?
        var text: String
    }

    @Test(arguments: [
        Refusal(bytes: [0xFF, 0x10, 0x04] + Array("Too many connections".utf8), number: 1040, text: "Too many connections"),
        Refusal(
            bytes: [0xFF, 0x10, 0x04] + Array("#08004Too many connections".utf8), number: 1040, sqlState: "08004",
            text: "Too many connections"),
        Refusal(bytes: [0xFF, 0x69, 0x04] + Array("Host '10.0.0.4' is blocked".utf8), number: 1129, text: "Host '10.0.0.4' is blocked"),
        Refusal(bytes: [0xFF, 0x28, 0x23], number: 9000, text: ""),
    ])
    func `a refusal in place of the greeting is read`(_ row: Refusal) {
        #expect(throws: GreetingFailure.refused(ServerRefusal(number: row.number, sqlState: row.sqlState, text: row.text))) {
            try Greeting(row.bytes)
        }
    }

    @Test func `a greeting that is cut anywhere is foreign or a server without new capabilities, never a trap`() {
        for end in 0..<Self.mysql8.count {
            do {
                let greeting = try Greeting(Array(Self.mysql8.prefix(end)))
                #expect(greeting.serverVersion == "8.0.39-azure")
            } catch {
                #expect(error == .foreign)
            }
        }
    }

    @Test func `random bytes are never a trap`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...160, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            if !bytes.isEmpty { bytes[0] = [10, 9, 0xFF, bytes[0]].randomElement(using: &random) ?? 10 }
            guard let greeting = try? Greeting(bytes) else { continue }
            #expect(greeting.forLibrary.count < 140)
            #expect(greeting.scramble.count <= 20)
        }
        for _ in 0..<5_000 {
            var bytes = Self.mysql8
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = try? Greeting(bytes)
        }
    }

    @Test func `what the library gets to read offers nothing that a probe does not want`() throws {
        let packet = try Greeting(Self.mysql8).forLibrary
        let header = try #require(PacketHeader(packet))
        #expect(header.length == packet.count - 4)
        let again = try Greeting(Array(packet.dropFirst(4)))
        // LOCAL INFILE, compression, several statements, session tracking, zstd.
        for bit: UInt32 in [5, 7, 16, 17, 23, 26] { #expect(again.capabilities & 1 << bit == 0, "bit \(bit)") }
        #expect(again.offersTLS)
        #expect(again.scramble == Array("abcdefghijklmnopqrst".utf8))
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request", "SSH-2.0-OpenSSH_9.2", "\u{0}\u{0}\u{0}\u{0}"])
    func `the header of another protocol is no first packet`(_ text: String) throws {
        let header = try #require(PacketHeader(Array(text.utf8)))
        #expect(!header.isFirst)
    }
}
