// Parts of the configuration that a running agent takes up at once: each is changed, and what it changes is provoked.
import Curl
import Diagnosis
import Foundation
import Glibc
import Lab
import Testing

@Suite(.timeLimit(.minutes(5))) struct LiveReloadTests {
    /// Lines of the log that came after this much of it.
    private func lines(_ service: AgentBench.Service, after count: Int) -> [Substring] {
        String(decoding: service.program.errors.utf8.dropFirst(count), as: UTF8.self).split(separator: "\n")
    }

    private func change(_ bench: AgentBench, _ service: AgentBench.Service, _ edits: [(String, String)]) async throws -> Int {
        var text = try bench.configurationText()
        for (old, new) in edits {
            guard text.contains(old) else { throw BenchError("the configuration does not hold \(old)") }
            text = text.replacing(old, with: new)
        }
        let before = service.program.errors.utf8.count
        try bench.replaceConfiguration(text)
        _ = try await eventually("the reload") { lines(service, after: before).contains { $0.contains("was reloaded") } ? true : nil }
        return before
    }

    @Test("The log's format and level change in the running process, on the next line")
    func log() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            func probes() async throws -> Double {
                try await service.sample("dbprobe_probes_total{target=\"orders\",identity=\"app\"}") ?? 0
            }
            _ = try await eventually("a probe is in the log") { service.program.errors.contains(" debug agent: ") ? true : nil }
            #expect(!service.program.errors.contains("{\"time\""), "text")

            var before = try await change(bench, service, [("{level: trace}", "{level: debug, format: json}")])
            _ = try await eventually("a probe in JSON") {
                lines(service, after: before).contains { $0.contains("\"level\":\"debug\"") } ? true : nil
            }
            let reloaded = lines(service, after: before).drop { !$0.contains("was reloaded") }
            #expect(reloaded.contains { $0.contains("log.format") && $0.contains("log.level") }, "what has changed is named")
            for line in reloaded.dropLast() { #expect((try? jsonObject(String(line))) != nil, "\(line)") }

            before = try await change(bench, service, [("{level: debug, format: json}", "{level: notice, format: json}")])
            let count = try await probes()
            _ = try await eventually("probes go on") { try await probes() >= count + 3 ? true : nil }
            let quiet = lines(service, after: before).drop { !$0.contains("was reloaded") }
            #expect(!quiet.contains { $0.contains("\"level\":\"debug\"") || $0.contains("\"level\":\"info\"") }, "\(quiet)")

            before = try await change(bench, service, [("{level: notice, format: json}", "{level: trace}")])
            _ = try await eventually("every step in text again") {
                lines(service, after: before).contains { $0.contains(" trace agent: probe begins") } ? true : nil
            }
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("A name that server.hosts takes in is answered at the open port, and refused once it is taken out")
    func hosts() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            func status() async throws -> Int {
                let request = HTTPRequest(
                    url: "http://\(service.address)/api/v1/status", headers: [HTTPRequest.Header("Host", "agent.example")],
                    bodyLimit: 1 << 20)
                return try await bench.http.send(request, until: .in(.seconds(10))).status
            }
            let refused = try await status()
            #expect(refused >= 400)
            let (shut, open) = ("server: {listen: [\"127.0.0.1:0\"]}", "server: {listen: [\"127.0.0.1:0\"], hosts: [agent.example]}")
            _ = try await change(bench, service, [(shut, open)])
            #expect(try await status() == 200)
            _ = try await change(bench, service, [(open, shut)])
            #expect(try await status() == refused)
            #expect(!service.program.errors.contains("need a restart"))
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("Another name server is asked from the next probe on, and the one before no longer")
    func nameServers() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            let silent = try SilentNameServer()
            let usual = bench.lab.nameServers[0]
            _ = try await change(bench, service, [(usual, "127.0.0.1:\(silent.port)")])
            let question = try await eventually("the new one is asked") { silent.question() }
            #expect(String(decoding: question, as: UTF8.self).contains("postgres"), "for a name of a target")
            _ = try await eventually("nothing comes of it") {
                let check = try await service.check("orders/app")
                return check["state"] as? String == "down" && check["phase"] as? String == "dns" ? true : nil
            }
            _ = try await change(bench, service, [("127.0.0.1:\(silent.port)", usual)])
            _ = try await eventually("it is up again") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            #expect(await service.program.stop().status == 0)
        }
    }

    @Test("Another cloud has tokens asked for its own databases")
    func cloud() async throws {
        try await withAgentBench { bench in
            let service = try await bench.startService()
            _ = try await eventually("orders is up") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            func resources(after count: Int) -> Set<String> {
                Set(bench.lab.identity.requests.dropFirst(count).compactMap { $0.query["resource"] })
            }
            #expect(resources(after: 0) == [Lab.audience])
            let count = bench.lab.identity.requests.count
            _ = try await change(bench, service, [("cloud: public", "cloud: china")])
            _ = try await eventually("a token for the other cloud is asked for") { resources(after: count).isEmpty ? nil : true }
            #expect(resources(after: count) == ["https://ossrdbms-aad.database.chinacloudapi.cn"])
            _ = try await eventually("the servers of this one do not take it") {
                try await service.check("orders/app")["state"] as? String == "down" ? true : nil
            }
            _ = try await change(bench, service, [("cloud: china", "cloud: public")])
            _ = try await eventually("it is up again") { try await service.check("orders/app")["state"] as? String == "up" ? true : nil }
            #expect(await service.program.stop().status == 0)
        }
    }
}

/// Hears questions and answers none.
private final class SilentNameServer: Sendable {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = unsafe withUnsafeMutablePointer(to: &address) { [descriptor] pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(descriptor, address, size) == 0 ? getsockname(descriptor, address, &size) : -1
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        guard code == 0 else {
            close(descriptor)
            throw POSIXError(.init(rawValue: errno) ?? .EIO)
        }
    }

    deinit { close(descriptor) }

    /// The next question, if one has come.
    func question() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }
}
