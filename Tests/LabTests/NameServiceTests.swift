// The name service speaks DNS: asked here with hand-made queries over UDP and TCP.
import Diagnosis
import Lab
import NIOCore
import NIOPosix
import Testing

@Suite struct NameServiceTests {
    /// A question about an A record, recursion wanted. Source: RFC 1035 section 4.
    static func query(_ name: String, type: UInt8 = 1) -> [UInt8] {
        [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [
            0, 0, type, 0, 1,
        ]
    }

    /// What a reply says.
    struct Reply {
        var code: UInt8
        var isTruncated: Bool
        var aliases: [String] = []
        var addresses: [String] = []
        var lives: [Int] = []

        init?(_ bytes: [UInt8], question: [UInt8]) {
            guard bytes.count >= question.count, bytes[0] == 0xAB, bytes[1] == 0xCD, bytes[2] & 0x80 != 0,
                bytes[12..<question.count].elementsEqual(question[12...])
            else { return nil }
            code = bytes[3] & 15
            isTruncated = bytes[2] & 2 != 0
            var position = question.count
            func name() -> String {
                var labels: [String] = []
                while bytes[position] != 0 {
                    let end = position + 1 + Int(bytes[position])
                    labels.append(String(decoding: bytes[(position + 1)..<end], as: UTF8.self))
                    position = end
                }
                position += 1
                return labels.joined(separator: ".")
            }
            for _ in 0..<(Int(bytes[6]) << 8 | Int(bytes[7])) {
                _ = name()
                let type = bytes[position + 1]
                lives.append(bytes[(position + 4)..<(position + 8)].reduce(0) { $0 << 8 | Int($1) })
                let length = Int(bytes[position + 8]) << 8 | Int(bytes[position + 9])
                position += 10
                if type == 1 { addresses.append(bytes[position..<(position + 4)].map(String.init).joined(separator: ".")) }
                let end = position + length
                if type == 5 { aliases.append(name()) }
                position = end
            }
        }
    }

    /// Nil when nothing comes within `patience`.
    static func ask(_ lab: Lab, _ question: [UInt8], patience: TimeAmount = .seconds(5)) async throws -> [UInt8]? {
        let (replies, continuation) = AsyncStream.makeStream(of: [UInt8].self)
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { $0.pipeline.addHandler(Collector(continuation: continuation)) }.bind(host: "127.0.0.1", port: 0).get()
        let server = try SocketAddress(ipAddress: lab.nameServer.host, port: lab.nameServer.port)
        try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: question)))
        let alarm = channel.eventLoop.scheduleTask(in: patience) { continuation.finish() }
        var answer: [UInt8]?
        for await reply in replies {
            answer = reply
            break
        }
        alarm.cancel()
        try await channel.close()
        return answer
    }

    /// The reply to a question that must be answered.
    static func reply(_ lab: Lab, _ question: [UInt8]) async throws -> Reply {
        let bytes = try #require(try await ask(lab, question))
        return try #require(Reply(bytes, question: question))
    }

    private final class Collector: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        let continuation: AsyncStream<[UInt8]>.Continuation
        init(continuation: AsyncStream<[UInt8]>.Continuation) { self.continuation = continuation }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            continuation.yield(Array(unwrapInboundIn(data).data.readableBytesView))
        }
    }

    static func overTCP(_ lab: Lab, _ question: [UInt8]) async throws -> [UInt8] {
        let stream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: lab.nameServer.host, port: lab.nameServer.port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
            }
        return try await stream.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: [0, UInt8(question.count)] + question))
            var received: [UInt8] = []
            for try await piece in inbound {
                received += piece.readableBytesView
                if received.count >= 2, received.count >= 2 + Int(received[0]) << 8 + Int(received[1]) { break }
            }
            return Array(received.dropFirst(2))
        }
    }

    @Test("Public names lead over Azure's aliases to the proxies, over UDP and TCP", .timeLimit(.minutes(1)))
    func healthyNames() async throws {
        try await withLab(IdentityEndpointTests.tokensOnly) { lab in
            for (name, alias) in [("orders", "orders.rs-lab"), ("billing", "billing.privatelink")] {
                let question = Self.query("\(name).postgres.database.azure.com")
                let target = try #require(lab.target(name))
                for bytes in [try #require(try await Self.ask(lab, question)), try await Self.overTCP(lab, question)] {
                    let reply = try #require(Reply(bytes, question: question))
                    #expect(reply.code == 0 && !reply.isTruncated)
                    #expect(reply.aliases == ["\(alias).postgres.database.azure.com"])
                    #expect(reply.addresses == [lab.endpoint(of: target).host])
                    #expect(reply.lives == [30, 30])
                }
            }
            let upper = Self.query("ORDERS.Postgres.Database.Azure.com")
            #expect(try await Self.reply(lab, upper).addresses.count == 1)
            let six = Self.query("orders.postgres.database.azure.com", type: 28)
            let none = try await Self.reply(lab, six)
            #expect(none.code == 0 && none.addresses.isEmpty)
            let unknown = Self.query("nobody.postgres.database.azure.com")
            #expect(try await Self.reply(lab, unknown).code == 3)
            let foreign = Self.query("example.net")
            #expect(try await Self.reply(lab, foreign).code == 5)
        }
    }

    @Test("Azure SQL has its names: public, private and a worker's, but none that a redirect invents", .timeLimit(.minutes(1)))
    func azureSQL() async throws {
        var options = LabOptions()
        options.targets = LabTarget.standardAzureSQL + [LabTarget(name: "open", engine: .azuresql, database: "ledger", role: "app")]
        try await withLab(options) { lab in
            for (name, alias) in [
                ("ledger", "ledger.privatelink.database.windows.net"), ("open", "open.lab1-a.control.database.windows.net"),
            ] {
                let target = try #require(lab.target(name))
                let reply = try await Self.reply(lab, Self.query("\(name).database.windows.net"))
                #expect(reply.aliases == [alias])
                #expect(reply.addresses == [lab.endpoint(of: target).host])
            }
            let worker = "w1.tr1.lab1-a.worker.database.windows.net"
            #expect(try await Self.reply(lab, Self.query(worker)).addresses == [lab.block.azureSQLWorker])
            let six = try await Self.reply(lab, Self.query(worker, type: 28))
            #expect(six.code == 0 && six.addresses.isEmpty)
            #expect(try await Self.reply(lab, Self.query("gone.tr1.lab1-a.worker.database.windows.net")).code == 3)
            // The agent's configuration has the target once the agent knows the engine, and no user for it.
            #expect(lab.configurationYAML.contains("engine: azuresql"))
            #expect(!lab.configurationYAML.contains("user: app"))
        }
    }

    @Test("Every fault of the name service concerns its target only and is gone when it is off", .timeLimit(.minutes(1)))
    func faults() async throws {
        try await withLab(IdentityEndpointTests.tokensOnly) { lab in
            let question = Self.query("orders.postgres.database.azure.com")
            let other = Self.query("billing.postgres.database.azure.com")
            let orders = try #require(lab.target("orders"))
            let healthy = lab.endpoint(of: orders).host
            for fault in Fault.allCases where fault.part == .names {
                try await lab.faults.turnOn(fault, target: "orders")
                let bytes = try await Self.ask(lab, question, patience: fault == .dnsSilent ? .milliseconds(300) : .seconds(5))
                let reply = bytes.flatMap { fault == .dnsGarbage ? nil : Reply($0, question: question) }
                switch fault {
                case .dnsNXDomain: #expect(reply?.code == 3)
                case .dnsNoData: #expect(reply?.code == 0 && reply?.addresses == [] && reply?.aliases == [])
                case .dnsServfail: #expect(reply?.code == 2)
                case .dnsSilent: #expect(bytes == nil)
                case .dnsGarbage: #expect(bytes?.count == question.count + 4)
                case .dnsTruncated:
                    #expect(reply?.isTruncated == true && reply?.addresses == [])
                    #expect(Reply(try await Self.overTCP(lab, question), question: question)?.addresses == [healthy])
                case .deadAddress:
                    #expect(reply?.addresses.count == 3 && reply?.addresses.dropFirst().first == healthy)
                    let dead = try #require(reply?.addresses.first)
                    await #expect(throws: (any Error).self) {
                        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.milliseconds(200))
                            .connect(host: dead, port: lab.endpoint(of: orders).port).get()
                    }
                default: Issue.record("no row for \(fault.name)")
                }
                #expect(try await Self.reply(lab, other).addresses.count == 1, "\(fault.name)")
                try await lab.faults.turnOff(fault)
                #expect(try await Self.reply(lab, question).addresses == [healthy], "\(fault.name)")
            }
        }
    }
}
