// The formats in which metrics are written. The catalogue is the same; only the writer knows the difference.

/// A text format that Prometheus reads.
package enum ExpositionFormat: Sendable, Hashable, CaseIterable {
    /// Prometheus text format 0.0.4, which everything reads.
    case text
    /// OpenMetrics 1.0: with units, kinds of their own for descriptions, and a last line that shows that nothing is missing.
    case openMetrics

    /// The content type, for OpenMetrics without the escaping scheme that an answer names as well.
    package var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }
}
