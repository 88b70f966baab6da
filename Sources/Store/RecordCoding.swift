// One probe in a dozen bytes: variable-length numbers, and a short form for what nearly always happens.
//
// **Shape** of a record: one byte, the difference between the whole duration and the sum of the phases, then the phases. The low four
// bits of the first byte say how the phases are written, the high four how the probe ended. Durations count ticks of 10 µs.
import Diagnosis

/// How a probe ended, without its reasons.
enum RecordKind: UInt8, Sendable, Hashable {
    case succeeded = 0
    case loginPaused = 1
    case failed = 2
    case asleep = 3

    /// Whether the probe stopped on purpose, so that it does not count.
    var isPartial: Bool { self == .loginPaused || self == .asleep }
}

/// One probe as it is kept: its end is stored beside it.
struct Record: Sendable, Hashable {
    var kind: RecordKind
    var duration: Duration
    var phases: [PhaseResult]
}

enum RecordCoding {
    /// Every phase up to `query` succeeded and was timed; nothing was asked of the rights.
    private static let allTimed: UInt8 = 0
    /// The same with the token out of the cache.
    private static let cachedToken: UInt8 = 1
    /// Each phase is written out.
    private static let listed: UInt8 = 2
    /// Every phase up to `privileges` succeeded and was timed.
    private static let allTimedWithRights: UInt8 = 3
    /// The same with the token out of the cache.
    private static let cachedTokenWithRights: UInt8 = 4

    static func encode(_ record: Record) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(24)
        let form = form(of: record.phases)
        bytes.append(record.kind.rawValue << 4 | form)
        let total = ticks(record.duration)
        let sum = record.phases.reduce(0) { $0 &+ ($1.duration.map(ticks) ?? 0) }
        bytes.append(signed: total &- sum)
        switch form {
        case allTimed, cachedToken, allTimedWithRights, cachedTokenWithRights:
            for phase in record.phases { if let duration = phase.duration { bytes.append(signed: ticks(duration)) } }
        default:
            bytes.append(varint: UInt64(record.phases.count))
            for phase in record.phases { append(phase, to: &bytes) }
        }
        return bytes
    }

    /// - Returns: nil when the bytes are not a record.
    static func decode(_ reader: inout ByteReader) -> Record? {
        guard let head = reader.byte(), let kind = RecordKind(rawValue: head >> 4), let rest = reader.signed() else { return nil }
        var phases: [PhaseResult] = []
        let form = head & 0x0F
        switch form {
        case allTimed, cachedToken, allTimedWithRights, cachedTokenWithRights:
            let hasRights = form == allTimedWithRights || form == cachedTokenWithRights
            for phase in hasRights ? Phase.storedRoutine + [.privileges] : Phase.storedRoutine {
                if phase == .token, form == cachedToken || form == cachedTokenWithRights {
                    phases.append(PhaseResult(.token, .ok, isCached: true))
                } else {
                    guard let length = reader.signed() else { return nil }
                    phases.append(PhaseResult(phase, .ok, duration: duration(length)))
                }
            }
            if !hasRights { phases.append(unasked) }
        case listed:
            guard let count = reader.varint(), count <= 32 else { return nil }
            for _ in 0..<count {
                guard let phase = readPhase(&reader) else { return nil }
                phases.append(phase)
            }
        default: return nil
        }
        let sum = phases.reduce(0) { $0 &+ ($1.duration.map(ticks) ?? 0) }
        return Record(kind: kind, duration: duration(sum &+ rest), phases: phases)
    }

    /// The duration that a record gives back.
    static func rounded(_ length: Duration) -> Duration { duration(ticks(length)) }

    private static func form(of phases: [PhaseResult]) -> UInt8 {
        let hasRights = phases.count > Phase.storedRoutine.count && phases.last != unasked
        let routine = hasRights ? Phase.storedRoutine + [.privileges] : Phase.storedRoutine
        guard phases.count == routine.count || (phases.count == routine.count + 1 && phases.last == unasked) else { return listed }
        var form = hasRights ? allTimedWithRights : allTimed
        for (phase, expected) in zip(phases, routine) {
            guard phase.phase == expected, phase.outcome == .ok else { return listed }
            if phase.isCached {
                guard expected == .token, phase.duration == nil else { return listed }
                form = hasRights ? cachedTokenWithRights : cachedToken
            } else if phase.duration == nil {
                return listed
            }
        }
        return form
    }

    /// What stands for `privileges` where nothing was asked of them; also true of records from before there was such a phase.
    private static let unasked = PhaseResult(.privileges, .skipped(PhaseResult.nothingConfigured))

    /// **Shape**: code, a byte of flags (1 timed, 2 cached, high four bits the outcome), the duration, the reason.
    private static func append(_ result: PhaseResult, to bytes: inout [UInt8]) {
        bytes.append(result.phase.stored)
        let outcome: UInt8 =
            switch result.outcome {
            case .ok: 0
            case .failed: 1
            case .skipped: 2
            }
        bytes.append(outcome << 4 | (result.duration == nil ? 0 : 1) | (result.isCached ? 2 : 0))
        if let duration = result.duration { bytes.append(signed: ticks(duration)) }
        if let reason = result.outcome.reason {
            if let code = usualReasons.firstIndex(of: reason) {
                bytes.append(varint: UInt64(code) * 2 + 1)
            } else {
                let text = Array(reason.utf8.prefix(255))
                bytes.append(varint: UInt64(text.count) * 2)
                bytes += text
            }
        }
    }

    private static func readPhase(_ reader: inout ByteReader) -> PhaseResult? {
        guard let phase = reader.byte().flatMap(Phase.init(stored:)), let flags = reader.byte() else { return nil }
        var length: Duration?
        if flags & 1 != 0 {
            guard let ticks = reader.signed() else { return nil }
            length = duration(ticks)
        }
        let outcome: PhaseResult.Outcome
        switch flags >> 4 {
        case 0: outcome = .ok
        case 1: outcome = .failed
        case 2:
            guard let reason = readReason(&reader) else { return nil }
            outcome = .skipped(reason)
        default: return nil
        }
        return PhaseResult(phase, outcome, duration: length, isCached: flags & 2 != 0)
    }

    private static func readReason(_ reader: inout ByteReader) -> String? {
        guard let code = reader.varint() else { return nil }
        if code & 1 == 1 {
            let index = Int(code >> 1)
            return index < usualReasons.count ? usualReasons[index] : nil
        }
        guard code >> 1 <= 255, let text = reader.bytes(Int(code >> 1)) else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reasons that need one byte. The position is stored: only add at the end.
    private static let usualReasons = ["not reached", "login paused", "not needed", PhaseResult.nothingConfigured]

    /// **Unit**: 10 µs.
    static func ticks(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        guard abs(seconds) < 1 << 40 else { return 0 }
        let part = attoseconds / 1_000_000_000_000 + (attoseconds < 0 ? -5 : 5)
        return seconds * 100_000 + part / 10
    }

    static func duration(_ ticks: Int64) -> Duration {
        // A damaged number must not overflow: more than a million years is as good as none.
        abs(ticks) < 1 << 55 ? .microseconds(ticks * 10) : .zero
    }
}

extension Phase {
    /// The phases of the short form. Stored: a release that adds a phase needs a form of its own.
    fileprivate static let storedRoutine: [Phase] = [.token, .dns, .tcp, .negotiate, .tls, .login, .query]

    /// The code in a record. Stored: only add.
    fileprivate var stored: UInt8 {
        switch self {
        case .config: 0
        case .token: 1
        case .dns: 2
        case .tcp: 3
        case .negotiate: 4
        case .tls: 5
        case .login: 6
        case .query: 7
        case .privileges: 8
        case .internal: 9
        }
    }

    fileprivate init?(stored: UInt8) {
        guard let phase = Phase.allCases.first(where: { $0.stored == stored }) else { return nil }
        self = phase
    }
}
