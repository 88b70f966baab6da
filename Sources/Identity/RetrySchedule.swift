// When a failed request for a token is worth repeating, and after how long.
import Diagnosis

/// The repetitions of one request, as the SDKs make them.
///
/// **Source**: MSAL .NET, retry policies of managed identity (three repeats; HTTP 410 of the metadata service seven, 10 s apart).
struct RetrySchedule: Sendable {
    /// What was seen, as far as repeating depends on it.
    enum Symptom: Sendable, Hashable {
        case status(Int, retryAfter: Duration?)
        case refused
        /// Connected, or nearly so, and then nothing.
        case noAnswer
        case other
    }

    private let source: TokenSourceKind
    private var repeats = 0
    private var updating = 0

    /// The longest wait that a peer can order.
    static let retryAfterLimit: Duration = .seconds(120)

    init(source: TokenSourceKind) { self.source = source }

    /// - Returns: how long to wait before the next try; nil when trying again is pointless or was done often enough.
    mutating func pause(after symptom: Symptom) -> Duration? {
        switch symptom {
        case .status(410, let retryAfter) where source == .imds:
            updating += 1
            return updating <= 7 ? max(.seconds(10), retryAfter ?? .zero) : nil
        case .status(let status, let retryAfter):
            guard isRepeatable(status) else { return nil }
            return next().map { max($0, retryAfter ?? .zero) }
        // App Service's local service is not up in the first seconds; without an IMDS there never will be one.
        case .refused: return source == .appService ? next() : nil
        case .noAnswer, .other: return nil
        }
    }

    private mutating func next() -> Duration? {
        defer { repeats += 1 }
        let pauses: [Duration] = source == .imds ? [.seconds(1), .seconds(2), .seconds(4)] : [.seconds(1), .seconds(1), .seconds(1)]
        return repeats < pauses.count ? pauses[repeats] : nil
    }

    private func isRepeatable(_ status: Int) -> Bool {
        switch source {
        case .imds: status == 404 || status == 429 || (500...599).contains(status)
        default: [404, 408, 429, 500, 503, 504].contains(status)
        }
    }

    /// `Retry-After` as a number of seconds or as a date, between zero and ``retryAfterLimit``.
    static func retryAfter(_ text: String?, now: Timestamp) -> Duration? {
        guard let text else { return nil }
        if let seconds = Int64(text) { return seconds < 0 ? nil : min(.seconds(seconds), retryAfterLimit) }
        return HTTPDate(text).map { max(.zero, min($0.time - now, retryAfterLimit)) }
    }
}

/// A date as HTTP writes it today: `Sun, 06 Nov 1994 08:49:37 GMT`. **Source**: RFC 9110 5.6.7, IMF-fixdate.
struct HTTPDate: Sendable, Hashable {
    var time: Timestamp

    init?(_ text: String) {
        let words = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT", let day = Int(words[1]),
            let month = months.firstIndex(of: String(words[2])), let year = Int(words[3]), (0...9999).contains(year),
            let time = Timestamp(rfc3339: "\(pad(year, 4))-\(pad(month + 1, 2))-\(pad(day, 2))T\(words[4])Z")
        else { return nil }
        self.time = time
    }
}
