// The log: format, scrubbing, and a sink that nothing can make wait.
import Diagnosis
import Logging
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@testable import Telemetry

/// A pipe whose reading end the test holds.
private final class Pipe: Sendable {
    let reader: Int32
    let writer: Int32

    init() {
        var ends: [Int32] = [0, 0]
        _ = unsafe pipe(&ends)
        (reader, writer) = (ends[0], ends[1])
    }

    deinit {
        close(reader)
        close(writer)
    }

    /// What is in the pipe now.
    func contents() -> String {
        var bytes: [UInt8] = []
        var wait = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&wait, 1, 0) > 0, wait.revents & Int16(POLLIN) != 0 {
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in unsafe read(reader, buffer.baseAddress, buffer.count) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

private func logger(_ sink: LogSink, _ format: LogFormat) -> Logger {
    Logger(label: "agent") { AgentLogHandler(label: $0, sink: sink, format: format) }
}

@Suite struct LogTests {
    @Test("A text line holds time, level, logger, sentence and sorted facts", .timeLimit(.minutes(1)))
    func text() {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer)
        var log = logger(sink, .text)
        log[metadataKey: "target.name"] = "orders"
        log.warning("check is down", metadata: Logger.metadata([.failureCause: "tcp_refused", .failureDetail: "no \"answer\" = none"]))
        #expect(sink.flush(within: .seconds(10)))
        let line = pipe.contents()
        #expect(
            line.dropFirst(24)
                == " warning agent: check is down failure.cause=tcp_refused failure.detail=\"no \\\"answer\\\" = none\" target.name=orders\n"
        )
        #expect(Timestamp(rfc3339: String(line.prefix(24))) != nil)
    }

    @Test("A JSON line is one object with flat keys, and no fact hides the line's own", .timeLimit(.minutes(1)))
    func json() {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer)
        logger(sink, .json).error("it\nbroke", metadata: ["level": "mine", "b\"ad": "a\u{1B}[31mb"])
        #expect(sink.flush(within: .seconds(10)))
        let line = pipe.contents()
        #expect(
            line.hasSuffix(",\"level\":\"error\",\"logger\":\"agent\",\"message\":\"it broke\",\"b_ad\":\"a [31mb\",\"level_\":\"mine\"}\n")
        )
        #expect(line.count { $0 == "\n" } == 1)
    }

    @Test(
        "What looks like a secret never reaches the line, wherever it stands", .timeLimit(.minutes(1)), arguments: [LogFormat.text, .json])
    func secrets(format: LogFormat) {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer)
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
        struct Leak: Error {}
        logger(sink, format).error(
            "saw \(token)",
            metadata: ["a": "\(token)", "b": .array(["password=hunter2"]), "c": .dictionary(["k": "client_secret=hunter2"])])
        #expect(sink.flush(within: .seconds(10)))
        let line = pipe.contents()
        #expect(!line.contains("eyJ"))
        #expect(!line.contains("hunter2"))
        #expect(line.contains("<redacted>"))
    }

    @Test("A reader that never reads costs messages and no time; the losses are counted and told", .timeLimit(.minutes(1)))
    func blockedReader() {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer, lineLimit: 100, byteLimit: 1 << 20)
        let line = [UInt8](repeating: 0x61, count: 1023) + [0x0A]
        let start = ContinuousClock.now
        for _ in 0..<5000 { sink.write(line, level: .info) }
        // 5,000 lines into a pipe of 64 KiB: whoever waited for the reader would wait for ever.
        #expect(ContinuousClock.now - start < .seconds(10))
        #expect(sink.counts.messages == [0, 0, 5000, 0, 0, 0, 0])
        #expect(sink.counts.dropped > 4000)
        #expect(!sink.flush(within: .milliseconds(20)))
        var seen = ""
        while !sink.flush(within: .milliseconds(1)) { seen += pipe.contents() }
        sink.write(line, level: .info)
        #expect(sink.flush(within: .seconds(10)))
        seen += pipe.contents()
        #expect(seen.contains("log messages were dropped count="))
    }

    @Test("Where every line keeps to a contract the losses are counted but not told", .timeLimit(.minutes(1)))
    func silentDrops() {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer, lineLimit: 1, byteLimit: 4, reportsDrops: false)
        sink.write(Array("too long\n".utf8), level: .info)
        sink.write(Array("ok\n".utf8), level: .info)
        #expect(sink.flush(within: .seconds(10)))
        #expect(pipe.contents() == "ok\n")
        #expect(sink.counts.dropped == 1)
    }

    @Test("A closed descriptor is survived", .timeLimit(.minutes(1)))
    func closedDescriptor() {
        var ends: [Int32] = [0, 0]
        _ = unsafe pipe(&ends)
        close(ends[0])
        let sink = LogSink(descriptor: ends[1])
        for _ in 0..<10 { sink.write(Array("x\n".utf8), level: .error) }
        #expect(sink.flush(within: .seconds(10)))
        #expect(sink.counts.dropped == 10)
        close(ends[1])
    }

    @Test("The level of the sink holds for every logger that has none of its own")
    func levels() {
        let pipe = Pipe()
        let sink = LogSink(descriptor: pipe.writer, level: .warning)
        let first = logger(sink, .text)
        var second = logger(sink, .text)
        second.logLevel = .debug
        #expect(first.logLevel == .warning)
        sink.logLevel = .trace
        #expect(first.logLevel == .trace)
        #expect(second.logLevel == .debug)
    }
}
