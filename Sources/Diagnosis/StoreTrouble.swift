// What can be wrong with the history store: a word of the store, of its metrics and of its findings.

/// What can be wrong with the store. The raw values are the label `cause` of its metrics.
package enum StoreTrouble: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
    /// No space left on the device, or the file has reached its largest size.
    case diskFull = "disk_full"
    case readOnly = "read_only"
    /// The file is damaged, or is no database.
    case corrupt
    case io
    case busy
    /// More was recorded than could be written.
    case overflow
    /// The directory does not exist.
    case missing
    /// Another process has the file open for writing.
    case locked
    /// The file was written by a later version of the agent.
    case newerSchema = "newer_schema"
    /// The file is a database of another program.
    case foreign

    /// Whether looking again later may help. The file of a later version or of another program does not become ours by waiting.
    package var mayPass: Bool { self != .newerSchema && self != .foreign }
}
