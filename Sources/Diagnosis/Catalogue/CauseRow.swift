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
    /// What to run, the looking ones first; rows of other engines and sources are left out when a report is made.
    package var remedies: [RemedyTemplate]
    /// What to look at if this was not it.
    package var next: [String]

    init(
        _ group: Cause.Group, severity: Severity = .error, retry transience: Cause.Transience, means: String, hint: String,
        remedies: [RemedyTemplate], next: [String]
    ) {
        self.group = group
        self.severity = severity
        self.transience = transience
        self.means = means
        self.hint = hint
        self.remedies = remedies
        self.next = next
    }
}
