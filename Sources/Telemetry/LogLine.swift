// One log event as one line of text or JSON.
import Diagnosis
import Logging

/// How log lines look.
package enum LogFormat: String, Sendable, Hashable { case text, json }

enum LogLine {
    /// **Shape**: one line with its line break. Everything that is not ours has passed the redactor.
    static func bytes(
        format: LogFormat, time: Timestamp, label: String, event: LogEvent, metadata: Logger.Metadata
    ) -> [UInt8] {
        var metadata = metadata
        if let error = event.error { metadata[LogKey.error.rawValue] = .string("\(error)") }
        let pairs = flat(metadata)
        let message = Redactor.scrub(event.message.description)
        switch format {
        case .text:
            var line = "\(time) \(event.level.rawValue) \(label): \(message)"
            for (key, value) in pairs { line += " \(key)=\(quotedIfNeeded(value))" }
            return Array((line + "\n").utf8)
        case .json:
            let own = [
                (key: "time", value: time.description), (key: "level", value: event.level.rawValue), (key: "logger", value: label),
                (key: "message", value: message),
            ]
            let members = (own + pairs).map { "\(JSON.string($0.key).compact):\(JSON.string($0.value).compact)" }
            return Array("{\(members.joined(separator: ","))}\n".utf8)
        }
    }

    /// **Shape**: by key; a key that would hide one of the line's own (`time`, `level`…) gets an underscore.
    private static func flat(_ metadata: Logger.Metadata) -> [(key: String, value: String)] {
        var pairs: [(key: String, value: String)] = []
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let name = ["time", "level", "logger", "message"].contains(key) ? "\(key)_" : plain(key)
            pairs.append((name, Redactor.scrub(value.description)))
        }
        return pairs
    }

    private static func plain(_ key: String) -> String {
        String(key.prefix(64).map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "_" })
    }

    private static func quotedIfNeeded(_ value: String) -> String {
        let isPlain = !value.isEmpty && !value.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" || $0 == "\\" }
        return isPlain ? value : JSON.string(value).compact
    }
}
