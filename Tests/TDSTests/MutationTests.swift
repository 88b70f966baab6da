// Bytes changed at random: every outcome is allowed but a trap, a hang, or a token that grows beyond its input.

import Testing

@testable import TDS

@Suite struct MutationTests {
    /// A small generator with a fixed start, so that a failure can be repeated.
    struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    static func mutate(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &dice) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &dice)
            switch Int.random(in: 0..<5, using: &dice) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
            case 1: bytes[place] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF].randomElement(using: &dice) ?? 0
            case 2: bytes.remove(at: place)
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &dice), at: place)
            default: bytes.replaceSubrange(place..., with: bytes[place...].prefix(Int.random(in: 0...bytes.count, using: &dice)))
            }
        }
        return bytes
    }

    @Test(
        "Changed replies are read or refused, the same way however they are cut",
        arguments: Capture.all.filter { !$0.isPrelogin && $0.response.stream_hex.count < 2000 })
    func replies(capture: Capture) {
        let stream = Samples.bytes(capture.response.stream_hex)
        var dice = Dice(state: 1)
        for _ in 0..<300 {
            let bytes = Self.mutate(stream, &dice)
            let whole = Result { () throws(WireError) in try decode(bytes) }
            let cut = Result { () throws(WireError) in try decode(bytes, portion: Int.random(in: 1...9, using: &dice)) }
            switch (whole, cut) {
            case (.success(let a), .success(let b)): #expect(a == b)
            case (.failure(let a), .failure(let b)): #expect(a.reason == b.reason)
            default: Issue.record("cut and whole disagree about \(hexadecimal(bytes))")
            }
        }
    }

    @Test("Changed messages of real programs are read or refused", arguments: Samples.all.keys.sorted())
    func messages(name: String) {
        let sample = Samples[name]
        var dice = Dice(state: 2)
        for _ in 0..<1_000 {
            let bytes = Self.mutate(sample, &dice)
            _ = try? Prelogin(decoding: bytes).encode()
            _ = try? LoginMessage(decoding: bytes).encode()
            _ = try? ProcedureCall(decoding: bytes).encode()
            _ = try? SQLBatch(decoding: bytes).encode()
            _ = try? ReplyToken.encode(decode(bytes))
            _ = try? FederatedTokenMessage(decoding: bytes).encode()
            _ = try? TransactionRequest(decoding: bytes)
            if let message = try? Prelogin(decoding: bytes) { #expect((try? Prelogin(decoding: message.encode())) == message) }
        }
    }
}
