// What is known about one cause: the shape of a row of the catalogue.

/// Everything a person, a metric or an exit status needs to know about a cause, whatever the particulars of a failure are.
package struct CauseRow: Sendable {
    /// The family; it decides the exit status.
    package var group: Cause.Group
    /// How bad it is when a check is down because of it.
    package var severity: Severity
    package var transience: Cause.Transience
    /// What it means, in one sentence.
    package var means: String
    /// What a person should think of first.
    package var hint: String
    /// The same where a product or a source of tokens makes it another one.
    private var hints: [Advice]
    /// What to run, the looking ones first; rows of other engines and sources are left out when a report is made.
    package var remedies: [RemedyTemplate]
    /// What to look at if this was not it; what is for other engines and sources is left out like the remedies.
    private var next: [Advice]

    init(
        _ group: Cause.Group, severity: Severity = .error, retry transience: Cause.Transience, means: String, hint: String,
        hints: [Advice] = [], remedies: [RemedyTemplate], next: [Advice]
    ) {
        self.group = group
        self.severity = severity
        self.transience = transience
        self.means = means
        self.hint = hint
        self.hints = hints
        self.remedies = remedies
        self.next = next
    }

    /// What a person should think of first with this product and this source; the common hint while they are not known.
    package func hint(engine: Engine?, source: TokenSourceKind?) -> String {
        hints.first { $0.isMeant(for: engine, source: source) }?.text ?? hint
    }

    package func next(engine: Engine?, source: TokenSourceKind?) -> [String] {
        next.filter { $0.applies(to: engine, source: source) }.map(\.text)
    }
}
