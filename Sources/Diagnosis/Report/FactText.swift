// What was known of a check, each fact under its own name, whenever it changed: the values, and `agent history CHECK --facts`.
/// One fact about a check.
package struct FactValue: Sendable, Hashable {
    /// The key of the JSON contract: `server_version`.
    package var name: String
    /// **Shape**: JSON.
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

extension FactValue {
    /// What history keeps in a form of its own.
    static let keptNames = ["privileges", "rights"]
    /// What a fact can be that lasts from probe to probe.
    static let known = JSONShape.either([
        .text(), .flag, .list(.text()), CertificateFacts.shape, PrivilegeReport.Summary.shape, PrivilegeSurvey.Summary.shape,
    ])
}

/// A fact and when it was first seen to be so.
package struct FactChange: Sendable, Hashable, JSONTabled {
    package var check: CheckID
    package var time: Timestamp
    package var fact: FactValue

    package init(check: CheckID, time: Timestamp, fact: FactValue) {
        self.check = check
        self.time = time
        self.fact = fact
    }

    package static let table = JSONTable<FactChange>("fact", "A fact and when it was first seen to be so.") {
        JSONKey("check", "TARGET/IDENTITY.") { $0.check }
        JSONKey("time", "When it was seen first.") { $0.time }
        JSONKey("name", "The key under facts.", .words(FactsComparison.names + FactValue.keptNames)) { $0.fact.name }
        JSONKey("value", "What it was from then on.", .orNull(FactValue.known)) { JSON(parsing: $0.fact.value) }
    }
}

/// Writes such changes as lines.
enum FactText {
    static func render(_ changes: [FactChange], style: TextStyle = .plain) -> String {
        let rows = changes.map { change in
            [
                change.time.description, Redactor.scrub(change.check.description), change.fact.name,
                words(change.fact.name, JSON(parsing: change.fact.value) ?? .string(change.fact.value)),
            ]
        }
        return style.table(rows).joined(separator: "\n") + "\n"
    }

    private static func words(_ name: String, _ value: JSON) -> String {
        switch name {
        case "privileges": privileges(value)
        case "rights": rights(value)
        case "certificate":
            "\(text(value["subject"])), issued by \(text(value["issuer"])), ends \(text(value["not_after"]))"
        default: text(value)
        }
    }

    /// Configured rights: how many entries hold, and what is wrong with the others.
    private static func privileges(_ value: JSON) -> String {
        if let administrator = value["administrator"]?.text { return "administrator (\(Redactor.scrub(administrator))), no verdict" }
        let entries = value["entries"]?.items ?? []
        let failing = entries.filter { $0["passed"] != .bool(true) }
        let what = failing.map { entry in
            let objects = (entry["objects"]?.items ?? []).map { text($0) }
            let more = objects.count > 3 ? " and \(objects.count - 3) more" : ""
            return "\(text(entry["name"])): \(objects.prefix(3).joined(separator: ", "))\(more)"
        }
        return (["\(entries.count - failing.count) of \(entries.count) hold for \(text(value["role"]))"] + what).joined(separator: "; ")
    }

    /// Where nothing is configured: what the role can do.
    private static func rights(_ value: JSON) -> String {
        if let administrator = value["administrator"]?.text { return "administrator (\(Redactor.scrub(administrator)))" }
        var parts = [tables(value)]
        if value["owns_database"] == .bool(true) { parts.append("owns the database") }
        if value["makes_objects"] == .bool(true) { parts.append("makes objects") }
        if value["row_security"] == .bool(true) {
            parts.append("row-level security applies" + (value["row_secured"]?.number.map { " to \(Int($0))" } ?? ""))
        }
        for (name, title) in [("attributes", "attributes"), ("database", "on the database"), ("roles", "roles")] {
            let items = (value[name]?.items ?? []).map { text($0) }
            if !items.isEmpty { parts.append("\(title): \(items.joined(separator: ", "))") }
        }
        return parts.joined(separator: "; ")
    }

    /// `aad_orders reads 3, writes 3, owns 0 of 4 tables`. Earlier versions kept no numbers, so files may hold words only.
    private static func tables(_ value: JSON) -> String {
        let role = text(value["role"])
        let (reads, writes, owns, all) = (
            value["readable"]?.number, value["writable"]?.number, value["owned"]?.number, value["tables"]?.number
        )
        guard let reads, let writes, let owns, let all else {
            return "\(role) reads \(text(value["reads"])), writes \(text(value["writes"])), owns \(text(value["owns"])) of the tables"
        }
        guard all > 0 else { return "\(role) sees no tables" }
        return "\(role) reads \(Int(reads)), writes \(Int(writes)), owns \(Int(owns)) of \(Int(all)) table\(all == 1 ? "" : "s")"
    }

    private static func text(_ value: JSON?) -> String {
        switch value {
        case nil, .null: "unknown"
        case .string(let text): Redactor.scrub(text)
        case .array(let items): items.map { text($0) }.joined(separator: ", ")
        case .some(let other): Redactor.scrub(other.compact)
        }
    }
}
