// Rows of the tables that read foreign words: patterns, and what they mean.

/// A text of a server that tells more than its number does.
struct ServerTextRow {
    var patterns: [String]
    var cause: Cause
    var certainty: Failure.Certainty = .certain
    var detail: String?
    /// Whether the claims may know better.
    var isVague = false

    init(_ patterns: String..., cause: Cause, certainty: Failure.Certainty = .certain, detail: String? = nil, isVague: Bool = false) {
        self.patterns = patterns
        self.cause = cause
        self.certainty = certainty
        self.detail = detail
        self.isVague = isVague
    }
}

/// A text of a client library; `Own` is what only that library can mean.
struct LibraryTextRow<Own: Sendable>: Sendable {
    var patterns: [String]
    var meaning: LibraryMeaning<Own>
    /// Where this can only have happened; nil when the caller knows.
    var phase: Phase?

    init(_ patterns: String..., cause: Cause, at phase: Phase? = nil, certainty: Failure.Certainty = .certain, detail: String? = nil) {
        self.patterns = patterns
        meaning = .cause(cause, certainty, detail)
        self.phase = phase
    }

    init(_ patterns: String..., means meaning: LibraryMeaning<Own>, at phase: Phase? = nil) {
        self.patterns = patterns
        self.meaning = meaning
        self.phase = phase
    }
}

enum LibraryMeaning<Own: Sendable>: Sendable {
    case cause(Cause, Failure.Certainty, String?)
    /// The peer went away; the phase decides.
    case closed
    /// A time limit; the phase decides.
    case deadline
    /// A number of the system; the phase decides.
    case errno(Int32)
    case own(Own)
}

extension Classifier {
    /// - Parameter own: what the library's own meanings come to.
    static func failure<Own: Sendable>(
        of meaning: LibraryMeaning<Own>, _ phase: Phase, _ evidence: Evidence, host: String?, own: (Own) -> Failure
    ) -> Failure {
        var failure: Failure
        switch meaning {
        case .cause(let cause, let certainty, let detail): failure = Failure(cause, during: phase, certainty: certainty, detail: detail)
        case .closed: failure = closed(phase: phase)
        case .deadline: failure = deadline(phase: phase)
        case .errno(let code): failure = errno(code, phase: phase, address: host)
        case .own(let meaning): failure = own(meaning)
        }
        failure.evidence = [evidence]
        return failure
    }
}
