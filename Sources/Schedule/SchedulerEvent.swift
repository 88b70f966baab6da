// What the scheduler tells the rest of the program.
package import Diagnosis

/// Something that happened to the probe of a check.
package enum SchedulerEvent: Sendable {
    /// A probe began, `lag` after its slot.
    case started(CheckID, lag: Duration)
    /// A due probe was not started, or was ended without a result by the stop.
    case missed(CheckID, reason: MissReason)
    case finished(Observation)

    /// Why a due probe did not take place; the label `cause` of the metric.
    package enum MissReason: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
        /// The one before was still running, or the whole process stood still when the slot came.
        case overrun
        /// As many probes as descriptors allow were running.
        case concurrency
        /// The agent is stopping.
        case shutdown
    }
}
