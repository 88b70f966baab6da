// One entry for libFuzzer over every decoder of Sources/TDS/Wire. The first byte of an input chooses the decoder, so that one corpus serves all.
//
// Properties that are checked besides "no trap": what was read can be written and reads the same, a reply reads the same however it is cut,
// and no decoder gives back more than a fixed multiple of what it was given.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    guard let data = unsafe data, size > 1 else { return 0 }
    let bytes = unsafe Array(UnsafeBufferPointer(start: data + 1, count: size - 1))
    switch unsafe data[0] % 8 {
    case 0: packets(bytes)
    case 1: prelogin(bytes)
    case 2: reply(bytes)
    case 3: reply([TokenType.featureAcknowledgement.rawValue] + bytes)
    case 4: login(bytes)
    case 5: call(bytes)
    case 6: handshake(bytes)
    default: small(bytes)
    }
    return 0
}

private func check(_ condition: Bool, _ what: String) {
    if !condition { fatalError(what) }  // The fuzzer's way to say that a property does not hold; no part of the product.
}

private func packets(_ bytes: [UInt8]) {
    func read(_ portion: Int) -> (packets: [Packet], failed: Bool) {
        var reader = PacketReader(largest: PacketHeader.largestPacket)
        var packets: [Packet] = []
        for start in stride(from: 0, to: bytes.count, by: portion) {
            reader.append(bytes[start..<min(bytes.count, start + portion)])
            do { while let packet = try reader.next() { packets.append(packet) } } catch { return (packets, true) }
            check(reader.pending <= bytes.count, "more pending than arrived")
        }
        return (packets, false)
    }
    let whole = read(max(1, bytes.count))
    let cut = read(3)
    check(whole.packets == cut.packets && whole.failed == cut.failed, "packets differ by how they were cut")
    check(whole.packets.reduce(0) { $0 + $1.header.length } <= bytes.count, "packets grow")
}

private func prelogin(_ bytes: [UInt8]) {
    guard let message = try? Prelogin(decoding: bytes) else { return }
    let written = message.encode()
    // Options may overlap in the original, so the copy can be longer than one packet; then it is refused and that is right.
    if written.count <= Prelogin.largest { check((try? Prelogin(decoding: written)) == message, "PRELOGIN changes on its way") }
}

private func tokens(_ bytes: [UInt8], _ portion: Int, passesRowsOver: Bool = false) -> Result<[ReplyToken], WireError> {
    var limits = DecodingLimits()
    limits.reply = 256 * 1024
    var decoder = TokenDecoder(limits: limits)
    decoder.passesRowsOver = passesRowsOver
    var tokens: [ReplyToken] = []
    do throws(WireError) {
        for start in stride(from: 0, to: bytes.count, by: portion) {
            decoder.append(bytes[start..<min(bytes.count, start + portion)])
            while let token = try decoder.next() { tokens.append(token) }
        }
        try decoder.endMessage()
        return .success(tokens)
    } catch {
        return .failure(error)
    }
}

private func reply(_ bytes: [UInt8]) {
    let whole = tokens(bytes, max(1, bytes.count))
    let cut = tokens(bytes, 1 + bytes.count % 5)
    switch (whole, cut) {
    case (.success(let a), .success(let b)):
        check(a == b || a.contains(where: \.hasNoNumber), "a reply reads differently when it is cut")
        check(a.count <= bytes.count, "more tokens than bytes")
        // A bit of NBCROW is the cheapest value there is.
        check(a.reduce(0) { $0 + $1.values } <= 8 * bytes.count, "more values than bits")
        if case .success(let rest) = tokens(bytes, 1 + bytes.count % 7, passesRowsOver: true) {
            check(rest == a.filter { !$0.isRow } || a.contains(where: \.hasNoNumber), "passing rows over changes the rest")
        } else {
            check(false, "rows can be read and not passed over")
        }
        if let written = try? ReplyToken.encode(a), written.count <= 256 * 1024, !a.contains(where: \.hasNoNumber) {
            guard case .success(let again) = tokens(written, max(1, written.count)) else { return }
            check(again == a, "a reply changes on its way")
        }
    case (.failure(let a), .failure(let b)): check(a.reason == b.reason, "a reply fails differently when it is cut")
    default: check(false, "a reply is read or refused by how it is cut")
    }
}

extension ReplyToken {
    fileprivate var isRow: Bool { if case .row = self { true } else { false } }

    fileprivate var values: Int {
        switch self {
        case .row(let values, _): values.count
        case .columns(let columns): columns.count
        default: 1
        }
    }

    /// NaN is not equal to itself.
    fileprivate var hasNoNumber: Bool {
        func isNoNumber(_ value: TDSValue) -> Bool { if case .double(let number) = value { number.isNaN } else { false } }
        switch self {
        case .row(let values, _): return values.contains(where: isNoNumber)
        case .returnValue(let output): return isNoNumber(output.value)
        default: return false
        }
    }
}

private func login(_ bytes: [UInt8]) {
    guard let login = try? LoginMessage(decoding: bytes) else { return }
    for feature in login.features { _ = try? FederatedLogin(decoding: feature) }
    if let written = try? login.encode() { check((try? LoginMessage(decoding: written)) != nil, "a login cannot be read again") }
}

private func call(_ bytes: [UInt8]) {
    if let call = try? ProcedureCall(decoding: bytes) { _ = try? call.encode() }
    if let batch = try? SQLBatch(decoding: bytes) { _ = batch.encode() }
    _ = try? TransactionRequest(decoding: bytes)
}

private func handshake(_ bytes: [UInt8]) {
    var framing = HandshakeFraming()
    var given = 0
    for start in stride(from: 0, to: bytes.count, by: 7) {
        guard let records = try? framing.unwrap(Array(bytes[start..<min(bytes.count, start + 7)])) else { return }
        given += records.count
    }
    check(given + framing.pass().count <= bytes.count, "the handshake grows")
}

private func small(_ bytes: [UInt8]) {
    if let info = try? FederatedAuthenticationInfo(body: bytes) {
        _ = info.tenant
        check((try? FederatedAuthenticationInfo(body: info.encodeBody())) == info, "FEDAUTHINFO changes on its way")
    }
    if let message = try? FederatedTokenMessage(decoding: bytes) { _ = message.encode() }
    reply([TokenType.federatedAuthenticationInfo.rawValue] + bytes)
}
