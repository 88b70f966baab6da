// The date line of HTTP replies: agents compare clocks by it. Source: RFC 9110 section 5.6.7.
import Diagnosis

enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    static var now: String { text(of: .now) }

    /// `Sun, 22 Nov 2026 03:04:11 GMT`.
    static func text(of time: Timestamp) -> String {
        let stamp = time.description
        let month = Int(stamp.dropFirst(5).prefix(2)) ?? 1
        // 1 January 1970 was a Thursday.
        let day = days[Int(time.milliseconds / 86_400_000) % 7]
        return "\(day), \(stamp.dropFirst(8).prefix(2)) \(months[month - 1]) \(stamp.prefix(4)) \(stamp.dropFirst(11).prefix(8)) GMT"
    }
}
