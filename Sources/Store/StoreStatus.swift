// What the store says about itself, for metrics, pages and the log.
package import Diagnosis

/// Where the store stands now.
package struct StoreStatus: Sendable, Hashable {
    /// Where records go.
    package enum Mode: String, Sendable, Hashable, JSONRepresentable { case file, memory }

    /// Why the file does not last, although it can be written; with the kind of its file system.
    package enum Fleeting: Sendable, Hashable {
        /// In the container's own layer: it goes with the container.
        case containerLayer(String)
        /// On a file system in memory: it goes with the machine's memory or with the container.
        case memory(String)

        /// Where the file lies and how it ends, for people.
        package var text: String {
            switch self {
            case .containerLayer(let kind): "in the container's own layer (\(kind)) and goes with the container"
            case .memory(let kind): "on a file system in memory (\(kind)) and goes with it"
            }
        }
    }

    /// Whether records reach the place they are meant for: false after a refused write, and while memory stands in for the file.
    package var isUp = true
    package var mode = Mode.memory
    /// Nil when the file lasts, and while there is none.
    package var fleeting: Fleeting?
    /// The configured file; nil when memory was chosen.
    package var path: String?
    /// What is wrong now, and in words.
    package var trouble: StoreTrouble?
    package var message: String?
    /// Records written since the start.
    package var records: UInt64 = 0
    /// Records that were lost, by cause.
    package var failures: [StoreTrouble: UInt64] = [:]
    /// Attempts to write that failed, by cause; their records wait for the next attempt.
    package var refusedWrites: [StoreTrouble: UInt64] = [:]
    /// Records that wait to be written, and how many may.
    package var queue = 0
    package var queueLimit = 0
    /// **Unit**: bytes, of the database and of its write-ahead log.
    package var size: Int64 = 0
    package var walSize: Int64 = 0
    package var lastCheckpoint: Timestamp?
    /// How often the file was set aside and begun anew, by cause.
    package var recoveries: [StoreTrouble: UInt64] = [:]
    /// Records deleted because of their age or because the file was too large.
    package var pruned: UInt64 = 0
    /// The version of the SQLite library.
    package var sqliteVersion = ""

    package init(path: String? = nil, queueLimit: Int = 0) {
        self.path = path
        self.queueLimit = queueLimit
    }
}

/// One transaction that was committed.
package struct StoreCommit: Sendable, Hashable {
    package var records: Int
    package var duration: Duration
}
