// What metrics show of the history store; filled where store and telemetry meet.
package import Diagnosis

/// The state of the history store as numbers.
package struct StoreGauges: Sendable, Hashable {
    /// Whether it accepts writes.
    package var isUp: Bool
    package var records: UInt64
    /// Records that were not written.
    package var recordFailures: [StoreTrouble: UInt64]
    package var queued: Int
    package var queueLimit: Int
    /// **Unit**: bytes.
    package var size: Int64
    /// **Unit**: bytes.
    package var writeAheadLogSize: Int64
    package var lastCheckpoint: Timestamp?
    /// Times the store was replaced because it could not be used.
    package var recoveries: [StoreTrouble: UInt64]
    package var pruned: UInt64

    package init(
        isUp: Bool, records: UInt64 = 0, recordFailures: [StoreTrouble: UInt64] = [:], queued: Int = 0, queueLimit: Int = 0,
        size: Int64 = 0,
        writeAheadLogSize: Int64 = 0, lastCheckpoint: Timestamp? = nil, recoveries: [StoreTrouble: UInt64] = [:], pruned: UInt64 = 0
    ) {
        self.isUp = isUp
        self.records = records
        self.recordFailures = recordFailures
        self.queued = queued
        self.queueLimit = queueLimit
        self.size = size
        self.writeAheadLogSize = writeAheadLogSize
        self.lastCheckpoint = lastCheckpoint
        self.recoveries = recoveries
        self.pruned = pruned
    }
}

/// What the build says of itself; the labels of `dbprobe_build_info`.
package struct BuildInfo: Sendable, Hashable {
    package var version: String
    package var revision: String
    package var swiftVersion: String
    package var sqliteVersion: String

    package init(
        version: String, revision: String = "unknown", swiftVersion: String = BuildInfo.compiler, sqliteVersion: String = "unknown"
    ) {
        self.version = version
        self.revision = revision
        self.swiftVersion = swiftVersion
        self.sqliteVersion = sqliteVersion
    }

    package static var compiler: String {
        #if compiler(>=6.4)
            "6.4 or later"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
    package static var os: String {
        #if os(Linux)
            "linux"
        #else
            "other"
        #endif
    }
    package static var architecture: String {
        #if arch(x86_64)
            "amd64"
        #elseif arch(arm64)
            "arm64"
        #else
            "other"
        #endif
    }
}
