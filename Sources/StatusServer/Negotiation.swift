// Which form of an answer a client gets: the format of metrics, and whether the body is compressed.
import Telemetry

/// The format of a page of metrics for one request.
struct MetricsChoice: Sendable, Hashable {
    var format: ExpositionFormat
    var contentType: String

    /// The highest weight among what there is; the older format when nothing is asked for that we have.
    ///
    /// **Source**: Prometheus, "Scrape protocol content negotiation". OpenMetrics without a version means 0.0.1, which is not spoken here.
    init(accept: String?) {
        var best: (weight: Int, isNamed: Bool, format: ExpositionFormat, escaping: String?)?
        for wish in Preference.list(accept ?? "") where wish.weight > 0 {
            let isNamed = !wish.name.contains("*")
            let format: ExpositionFormat
            switch (wish.name, wish.parameters["version"]) {
            case ("application/openmetrics-text", "1.0.0"): format = .openMetrics
            case ("text/plain", nil), ("text/plain", "0.0.4"), ("text/*", _), ("*/*", _): format = .text
            default: continue
            }
            // Of equal weights the one that was named, then the one that came first.
            if let best, (best.weight, best.isNamed ? 1 : 0) >= (wish.weight, isNamed ? 1 : 0) { continue }
            best = (wish.weight, isNamed, format, wish.parameters["escaping"])
        }
        format = best?.format ?? .text
        contentType = format.contentType
        if format == .openMetrics { contentType += "; escaping=" + Self.escaping(best?.escaping) }
    }

    /// All names here are plain, so every scheme gives the same bytes; the answer repeats the one that was asked for. Anything else that a
    /// client says never comes back to it.
    private static func escaping(_ asked: String?) -> String {
        ["allow-utf-8", "underscores", "dots", "values"].first { $0 == asked } ?? "underscores"
    }
}

/// How the body of an answer is coded.
enum ContentCoding: Sendable, Hashable {
    case identity, gzip

    /// **Source**: RFC 9110, 12.5.3: weight 0 refuses, `*` stands for what is not named, an unnamed `identity` is always acceptable.
    init(acceptEncoding: String?) {
        let wishes = Preference.list(acceptEncoding ?? "")
        func weight(_ names: Set<String>) -> Int? { wishes.first { names.contains($0.name) }?.weight }
        let gzip = weight(["gzip", "x-gzip"]) ?? weight(["*"]) ?? 0
        self = gzip > 0 && gzip >= weight(["identity"]) ?? 0 ? .gzip : .identity
    }
}
