// The log handler behind every logger of the process.
import Diagnosis
package import Logging

/// Writes log events to a ``LogSink``: `LoggingSystem.bootstrap { AgentLogHandler(label: $0, sink: sink, format: format) }`.
package struct AgentLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?
    private var ownLevel: Logger.Level?
    private let label: String
    private let sink: LogSink
    private let format: LogFormat?

    /// - Parameter format: that of the sink when nil.
    package init(label: String, sink: LogSink, format: LogFormat? = nil) {
        self.label = label
        self.sink = sink
        self.format = format
    }

    /// That of the sink until somebody sets another for this logger.
    package var logLevel: Logger.Level {
        get { ownLevel ?? sink.logLevel }
        set { ownLevel = newValue }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { $1 }
        if let own = event.metadata { all.merge(own) { $1 } }
        let line = LogLine.bytes(format: format ?? sink.format, time: .now, label: label, event: event, metadata: all)
        sink.write(line, level: event.level)
    }
}
