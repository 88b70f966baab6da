// Which form of an answer a client gets.
import Diagnosis
import Telemetry
import Testing

@testable import StatusServer

@Suite struct NegotiationTests {
    struct AcceptRow: Sendable {
        var accept: String?
        var format: ExpositionFormat
        var escaping: String?
        init(_ accept: String?, _ format: ExpositionFormat, escaping: String? = nil) {
            self.accept = accept
            self.format = format
            self.escaping = escaping
        }
    }

    @Test(
        "The format with the highest weight that is spoken here is taken, and without one the oldest",
        arguments: [
            AcceptRow(nil, .text), AcceptRow("", .text), AcceptRow("*/*", .text), AcceptRow("text/html", .text),
            AcceptRow("text/plain", .text), AcceptRow("nonsense;;;q=,", .text),
            // What Prometheus 3 says, and what 2.42 says.
            AcceptRow(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                .openMetrics, escaping: "allow-utf-8"),
            AcceptRow(
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                .openMetrics, escaping: "underscores"),
            AcceptRow("application/openmetrics-text", .text), AcceptRow("application/openmetrics-text; version=0.0.1", .text),
            AcceptRow("application/openmetrics-text; version=2.0.0", .text),
            AcceptRow("Application/OpenMetrics-Text ; Version=\"1.0.0\"", .openMetrics, escaping: "underscores"),
            AcceptRow("application/openmetrics-text;version=1.0.0;escaping=dots", .openMetrics, escaping: "dots"),
            AcceptRow("application/openmetrics-text;version=1.0.0;escaping=x\u{22}y", .openMetrics, escaping: "underscores"),
            AcceptRow("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.7", .text),
            AcceptRow("application/openmetrics-text;version=1.0.0;q=0", .text),
            AcceptRow("application/openmetrics-text;version=1.0.0;q=2", .text),
            AcceptRow("*/*,application/openmetrics-text;version=1.0.0", .openMetrics, escaping: "underscores"),
            AcceptRow("text/plain,application/openmetrics-text;version=1.0.0", .text),
            AcceptRow("x/y;a=\"b,c;q=1\";q=0.1,application/openmetrics-text;version=1.0.0;q=0.001", .openMetrics, escaping: "underscores"),
        ])
    func accept(row: AcceptRow) {
        let choice = MetricsChoice(accept: row.accept)
        #expect(choice.format == row.format)
        let plain = "text/plain; version=0.0.4; charset=utf-8"
        #expect(
            choice.contentType
                == (row.escaping.map { "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=\($0)" } ?? plain))
    }

    struct CodingRow: Sendable {
        var header: String?
        var isGzip: Bool
        init(_ header: String?, _ isGzip: Bool) {
            self.header = header
            self.isGzip = isGzip
        }
    }

    @Test(
        "A body is compressed for who accepts gzip, and not for who refuses it or likes it less",
        arguments: [
            CodingRow(nil, false), CodingRow("", false), CodingRow("gzip", true), CodingRow("GZIP", true), CodingRow("x-gzip", true),
            CodingRow("deflate, gzip;q=1.0, *;q=0.5", true), CodingRow("br;q=1.0, gzip;q=0.8", true), CodingRow("gzip;q=0", false),
            CodingRow("gzip;q=0.000, *", false), CodingRow("*", true), CodingRow("*;q=0", false), CodingRow("identity", false),
            CodingRow("identity;q=1, gzip;q=0.5", false), CodingRow("identity;q=0.5, gzip;q=1", true), CodingRow("zstd, br", false),
            CodingRow("identity;q=0, gzip", true), CodingRow("gzip;q=x", false), CodingRow("gzipped", false),
        ])
    func coding(row: CodingRow) {
        #expect((ContentCoding(acceptEncoding: row.header) == .gzip) == row.isGzip)
    }

    struct TimeoutRow: Sendable {
        var header: String?
        var timeout: Duration
        init(_ header: String?, _ timeout: Duration) {
            self.header = header
            self.timeout = timeout
        }
    }

    @Test(
        "A probe on demand gets what the scraper leaves after its way back, never more than is configured",
        arguments: [
            TimeoutRow(nil, .seconds(15)), TimeoutRow("10", .seconds(9.5)), TimeoutRow("10.000000", .seconds(9.5)),
            TimeoutRow("120", .seconds(15)), TimeoutRow("0.5", .seconds(0.25)), TimeoutRow("1", .seconds(0.5)),
            TimeoutRow("0", .seconds(15)), TimeoutRow("-3", .seconds(15)), TimeoutRow("nan", .seconds(15)),
            TimeoutRow("inf", .seconds(15)), TimeoutRow("soon", .seconds(15)), TimeoutRow("1e300", .seconds(15)),
        ])
    func timeout(row: TimeoutRow) {
        #expect(ProbeRoute.timeout(row.header, of: Samples.target("orders")) == row.timeout)
    }
}
