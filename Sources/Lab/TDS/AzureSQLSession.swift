// One connection to the lab's Azure SQL server: negotiates, becomes TLS, reads the login, answers requests, and misbehaves where told to.
import Diagnosis
import NIOCore
import NIOSSL
import NIOTLS
import TDS

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// **Isolation**: lives on the event loop of its channel.
final class AzureSQLSession: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Stage { case first, prelogin, handshake, login, token, ready, over }

    private let script: AzureSQLScript
    private let tls: AzureSQLTLS
    private let noteLogin: (AzureSQLLogin) -> Void
    private var stage = Stage.first
    private var isStrict = false
    private var packets = PacketReader(largest: PacketHeader.largestPacket)
    private var message: [UInt8] = []
    private var framer: HandshakeFramer?
    private var pending: AzureSQLLogin?
    /// Whose session it is.
    private var admitted: AzureSQLLogin?
    private var isStopped = false
    private var statements = 0
    /// In which every request must say it runs; zeros outside a transaction.
    private var transaction = RequestHeaders.noTransaction
    /// What both sides have agreed upon. **Unit**: bytes.
    private var packetSize = PacketHeader.initialPacket

    init(_ script: AzureSQLScript, _ tls: AzureSQLTLS, noteLogin: @escaping (AzureSQLLogin) -> Void) {
        self.script = script
        self.tls = tls
        self.noteLogin = noteLogin
    }

    // MARK: Events

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if stage == .over { return }
        let buffer = unwrapInboundIn(data)
        if stage == .first {
            stage = .prelogin
            // A TLS record of type handshake: a client of TDS 8.0. Source: RFC 8446 5.1.
            if buffer.getInteger(at: buffer.readerIndex, as: UInt8.self) == 0x16 {
                isStrict = true
                if let trouble = script.strictTrouble ?? script.troubles[.tls] { return misbehave(.tls, trouble, context) }
                do {
                    try context.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.strict), position: .before(self))
                    context.pipeline.syncOperations.fireChannelRead(data)
                } catch { context.close(promise: nil) }
                return
            }
        }
        packets.append(buffer.readableBytesView)
        do {
            while stage != .over, let packet = try packets.next() {
                // Larger packets than agreed upon, and than a record of TLS can hold, are refused by SQL Server. Source: go-mssqldb, tds.go.
                guard packet.header.length <= min(packetSize, PacketHeader.largestEncrypted) else { return context.close(promise: nil) }
                message += packet.payload
                guard packet.isLast else { continue }
                let whole = message
                message = []
                try take(packet.header.type, whole, context)
            }
        } catch {
            // A client that breaks the rules is not answered.
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        framer?.pass()
        if !isStrict { stage = .login }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if admitted != nil { script.noteSession(false) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Messages

    private func take(_ type: PacketType, _ bytes: [UInt8], _ context: ChannelHandlerContext) throws {
        switch (stage, type) {
        case (.handshake, .prelogin):
            script.noteStep(.tls)
            misbehave(.tls, context)
        case (.prelogin, .prelogin): try negotiate(Prelogin(decoding: bytes), context)
        case (.login, .login): try logIn(LoginMessage(decoding: bytes), context)
        case (.token, .federatedToken):
            let token = try FederatedTokenMessage(decoding: bytes)
            guard var login = pending else { return }
            login.token = Secret(token.token.reveal { decodeUTF16($0) })
            login.nonce = token.nonce
            finish(login, context)
        case (.ready, .sqlBatch):
            let batch = try SQLBatch(decoding: bytes)
            guard batch.headers.transaction == transaction else { return refuseTransaction(context) }
            answer(batch.text, [], isCall: false, context)
        case (.ready, .rpc):
            let call = try ProcedureCall(decoding: bytes)
            guard call.headers.transaction == transaction else { return refuseTransaction(context) }
            // sp_executesql: statement, declarations, values. sp_prepexec: handle, declarations, statement, values.
            let isPrepared = call.procedure == .prepareAndExecute
            let place = isPrepared ? 2 : 0
            let text = call.parameters.count > place ? call.parameters[place].value.text ?? "" : ""
            answer(text, Array(call.parameters.dropFirst(isPrepared ? 3 : 2)), isCall: true, context)
        case (.ready, .transaction):
            let request = try TransactionRequest(decoding: bytes)
            guard request.headers.transaction == transaction else { return refuseTransaction(context) }
            let change: EnvironmentChange =
                switch request.type {
                case TransactionRequest.begin: .transactionBegun(descriptor: [1, 0, 0, 0, 0, 0, 0, 0])
                case TransactionRequest.commit: .transactionCommitted(descriptor: request.headers.transaction)
                default: .transactionRolledBack(descriptor: request.headers.transaction)
                }
            reply([.environmentChange(change), .done(Done())], context)
        case (.ready, .attention):
            script.noteAttention()
            if script.ignoresAttention { return }
            isStopped = true
            reply([.done(Done([.attention]))], context)
        default: context.close(promise: nil)
        }
    }

    private func negotiate(_ prelogin: Prelogin, _ context: ChannelHandlerContext) throws {
        script.noteStep(.prelogin)
        if script.troubles[.prelogin] != nil { return misbehave(.prelogin, context) }
        var options = [Prelogin.Option(.version, Prelogin.Version(major: 12, minor: 0, build: 2000).bytes)]
        if let encryption = script.encryption { options.append(Prelogin.Option(.encryption, [encryption])) }
        options += [Prelogin.Option(.instance, [0]), Prelogin.Option(.threadID, []), Prelogin.Option(.mars, [0])]
        // A client that says nothing of tokens gets no answer about them. Source: MS-TDS 2.2.6.5, FEDAUTHREQUIRED.
        if let required = script.tokenRequired, prelogin.federatedAuthenticationRequired == 1 {
            options.append(Prelogin.Option(.federatedAuthenticationRequired, [required]))
        }
        if let nonce = script.nonce { options.append(Prelogin.Option(.nonce, nonce)) }
        write(Prelogin(options: options).encode(), context, followedBy: script.stuffing)
        // Without encryption the login comes in the clear: what a careless client sends is read.
        if isStrict || script.encryption == nil || script.encryption == Prelogin.Encryption.notSupported.rawValue {
            stage = .login
            return
        }
        stage = .handshake
        // Trouble comes with the client's first flight, which then finds no TLS here.
        if script.troubles[.tls] != nil { return }
        let framer = HandshakeFramer()
        self.framer = framer
        try context.pipeline.syncOperations.addHandlers([framer, NIOSSLServerHandler(context: tls.wrapped)], position: .before(self))
    }

    private func logIn(_ message: LoginMessage, _ context: ChannelHandlerContext) throws {
        var login = AzureSQLLogin(message: message, token: nil, nonce: nil, echo: false, asksForIssuer: false, isStrict: isStrict)
        if let feature = message.features.first(where: { $0.id == .federatedAuthentication }) {
            switch try FederatedLogin(decoding: feature) {
            case .securityToken(let token, let nonce, let echo):
                login.token = Secret(token.reveal { decodeUTF16($0) })
                login.nonce = nonce
                login.echo = echo
            case .askFirst(_, let echo):
                login.asksForIssuer = true
                login.echo = echo
            }
        }
        if login.asksForIssuer, script.troubles[.login] == nil {
            noteLogin(login)
            pending = login
            stage = .token
            return reply([.federatedAuthenticationInfo(script.issuer)], context)
        }
        finish(login, context)
    }

    private func finish(_ login: AzureSQLLogin, _ context: ChannelHandlerContext) {
        noteLogin(login)
        script.noteStep(.login)
        if script.troubles[.login] != nil { return misbehave(.login, context) }
        // Source: MS-TDS 3.3.5, the echo must say what PRELOGIN said.
        let mustEcho = script.tokenRequired == 1
        if login.token != nil, login.echo != mustEcho || login.nonce != script.nonce {
            return refuse(
                [
                    TDSServerMessage(
                        number: 33147, state: 1, class: 20,
                        text:
                            "Federated Authentication Feature data used in login record to open a connection is structurally or semantically invalid;"
                            + " the connection has been closed.", server: AzureSQLScript.serverName, line: 1)
                ], context)
        }
        if let errors = script.admit(login) { return refuse(errors, context) }
        admitted = login
        script.noteSession(true)
        stage = .ready
        reply(script.welcome(welcome(login)), context)
        // From the message after the login on. Source: MS-TDS 2.2.7.9, packet size.
        packetSize = script.packetSize
        if script.route != nil {
            stage = .over
            context.close(promise: nil)
        }
    }

    /// **Source**: Microsoft Learn, Database engine errors, 3989; MS-TDS 2.2.5.3.2.
    private func refuseTransaction(_ context: ChannelHandlerContext) {
        reply(
            [
                .error(
                    TDSServerMessage(
                        number: 3989, state: 1, class: 16,
                        text: "New request is not allowed to start because it should come with valid transaction descriptor.",
                        server: AzureSQLScript.serverName, line: 1)),
                .done(Done([.error])),
            ], context)
    }

    private func refuse(_ errors: [TDSServerMessage], _ context: ChannelHandlerContext) {
        stage = .over
        reply(errors.map { $0.class > 10 ? .error($0) : .info($0) } + [.done(Done([.error]))], context)
        context.close(promise: nil)
    }

    /// An order that three drivers take: observed with ODBC driver 18, python-tds and mssql_py_core.
    private func welcome(_ login: AzureSQLLogin) -> [ReplyToken] {
        let name = AzureSQLScript.serverName
        let database = login.message.database.isEmpty ? "master" : login.message.database
        var tokens: [ReplyToken] = [
            .environmentChange(.database(new: database, old: "master")),
            .info(
                TDSServerMessage(
                    number: 5701, state: 2, class: 0, text: "Changed database context to '\(database)'.", server: name, line: 1)),
            .environmentChange(.collation(new: TDSCollation.default.bytes, old: [])),
            .environmentChange(.language(new: "us_english", old: "")),
            .info(
                TDSServerMessage(number: 5703, state: 1, class: 0, text: "Changed language setting to us_english.", server: name, line: 1)),
            .loginAcknowledgement(
                LoginAcknowledgement(
                    tdsVersion: isStrict && login.message.tdsVersion == TDSVersion.v80 ? TDSVersion.v80 : TDSVersion.v74,
                    program: "Microsoft SQL Server", major: 12, minor: 0, build: 2000)),
            .environmentChange(.packetSize(new: script.packetSize, old: 4_096)),
        ]
        if let route = script.route { tokens.append(.environmentChange(.routing(route))) }
        // Only what was asked for is acknowledged.
        let acknowledged = login.message.features.compactMap { feature -> FeatureAcknowledgement? in
            switch feature.id {
            case .federatedAuthentication: FeatureAcknowledgement(.federatedAuthentication)
            case .utf8Support: FeatureAcknowledgement(.utf8Support, [1])
            default: nil
            }
        }
        if !acknowledged.isEmpty { tokens.append(.featureAcknowledgements(acknowledged)) }
        return tokens + [.done(Done())]
    }

    private func answer(_ sql: String, _ parameters: [ProcedureCall.Parameter], isCall: Bool, _ context: ChannelHandlerContext) {
        isStopped = false
        script.noteStep(.query)
        statements += 1
        if script.troubles[.query] != nil, statements > script.soundStatements { return misbehave(.query, context) }
        var tokens = admitted.flatMap { script.answerAbout($0, sql, parameters) } ?? script.answer(sql, parameters)
        // No answer at all, until the client loses patience.
        if tokens.isEmpty { return }
        if isCall, case .done(var done)? = tokens.last {
            // An answer to a call ends with DONEINPROC, RETURNSTATUS, DONEPROC. Source: MS-TDS 2.2.7.7, 2.2.7.8; three drivers take it.
            let failed = done.status.contains(.error)
            done.status.insert(.more)
            tokens.removeLast()
            tokens += [.doneInProcedure(done), .returnStatus(0), .doneProcedure(Done(failed ? [.error] : [], command: 0xE0))]
        }
        reply(tokens, context)
    }

    // MARK: Out

    private func reply(_ tokens: [ReplyToken], _ context: ChannelHandlerContext) {
        for case .environmentChange(let change) in tokens {
            switch change {
            case .transactionBegun(let descriptor), .transactionEnlisted(let descriptor): transaction = descriptor
            case .transactionCommitted, .transactionRolledBack, .transactionEnded: transaction = RequestHeaders.noTransaction
            default: break
            }
        }
        do throws(WireError) {
            write(try ReplyToken.encode(tokens), context)
        } catch {
            // The script's own mistake: the connection ends, and the test that wrote it sees why.
            context.close(promise: nil)
        }
    }

    private func write(_ payload: [UInt8], _ context: ChannelHandlerContext, followedBy more: [UInt8] = []) {
        for packet in Packet.split(payload, as: .reply, size: min(script.packetSize, max(packetSize, 4_096)), spid: 51) {
            let bytes = packet.bytes + (packet.isLast ? more : [])
            let piece = max(1, script.portion ?? bytes.count)
            for start in stride(from: 0, to: bytes.count, by: piece) {
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes[start..<min(bytes.count, start + piece)])), promise: nil)
            }
        }
    }

    private func misbehave(_ step: AzureSQLScript.Step, _ context: ChannelHandlerContext) {
        misbehave(step, script.troubles[step] ?? .silent, context)
    }

    private func misbehave(_ step: AzureSQLScript.Step, _ trouble: AzureSQLScript.Trouble, _ context: ChannelHandlerContext) {
        // From here on nothing of the client's is answered; only a query can still be given up.
        if step != .query { stage = .over }
        switch trouble {
        case .silent: break
        case .deaf:
            let channel = context.channel
            channel.setOption(.autoRead, value: false).whenFailure { _ in channel.close(promise: nil) }
        case .close: context.close(promise: nil)
        case .reset:
            // Below TLS, whose close would wait for the client.
            let channel = context.channel
            guard let socket = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
            let linger = linger(l_onoff: 1, l_linger: 0)
            let head = NIOLoopBound(framer, eventLoop: channel.eventLoop)
            socket.setSoLinger(linger).whenComplete { _ in
                guard let framer = head.value else { return channel.close(promise: nil) }
                framer.closeSocket()
            }
        case .bytes(let bytes): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
        case .reply(let payload): write(payload, context)
        case .part(let payload): send(payload, context)
        case .partAndClose(let payload):
            send(payload, context)
            context.close(promise: nil)
        case .endlessRows:
            let columns = [TDSColumn("n", ColumnType(.int))]
            guard let first = try? ReplyToken.encode([.columns(columns)]) else { return }
            send(first, context)
            sendRows(from: 0, columns, context)
        case .endless(let piece): repeatedly(piece, context)
        }
    }

    /// A packet of a message that never ends.
    private func send(_ payload: [UInt8], _ context: ChannelHandlerContext) {
        let header = PacketHeader(.reply, status: [], length: payload.count + PacketHeader.size, spid: 51)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Packet(header: header, payload: payload).bytes)), promise: nil)
    }

    private func sendRows(from number: Int32, _ columns: [TDSColumn], _ context: ChannelHandlerContext) {
        guard !isStopped, context.channel.isActive else { return }
        var writer = ByteWriter()
        for offset in 0..<200 {
            try? ReplyToken.row([.integer(Int64(number &+ Int32(offset)))], compressed: false).encode(into: &writer, columns: columns)
        }
        send(writer.bytes, context)
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(1)) {
            let (session, context) = bound.value
            session.sendRows(from: number &+ 200, columns, context)
        }
    }

    private func repeatedly(_ piece: [UInt8], _ context: ChannelHandlerContext) {
        guard !isStopped, context.channel.isActive else { return }
        send(piece, context)
        let loop = context.eventLoop
        let bound = NIOLoopBound((self, context), eventLoop: loop)
        loop.scheduleTask(in: .milliseconds(1)) {
            let (session, context) = bound.value
            session.repeatedly(piece, context)
        }
    }
}
