// What a probe learnt about rights: one verdict per entry, and for what is wrong the objects with their owners.

/// One row of the answer to ``PrivilegeStatement``.
package struct PrivilegeRow: Sendable, Hashable, JSONTabled {
    package enum Kind: String, Sendable, Hashable, CaseIterable, JSONRepresentable {
        /// Required, and not there.
        case missing
        /// Required of something that does not exist.
        case absent
        /// Denied, and there.
        case held
        /// A role whose new objects will not carry the required rights.
        case future
        /// Required, there, and subject to row-level security; the rights are those for which no policy lets any row through.
        case filtered
        /// The server gave no verdict on it.
        case unknown

        /// Whether the rule does not hold because of it.
        package var isBreach: Bool {
            switch self {
            case .missing, .absent, .held: true
            case .future, .filtered, .unknown: false
            }
        }
    }

    package var kind: Kind
    /// What the object is: `table`, `view`, `schema`, `role`.
    package var sort: String
    package var schema: String?
    package var name: String?
    /// Who can give or take the right; nil where there is no object.
    package var owner: String?
    /// **Shape**: words of SQL, in the order of the rule.
    package var rights: [String]
    /// How a denied right was obtained, or by what a required one is taken away.
    package var way: String?
    /// Who has to get the right, where that is not the role itself: the owner of a view that reads the object.
    package var grantee: String?
    /// The same as the catalog has it, where statements are written from it (Azure SQL).
    package var sources: [AzureSQLSource] = []
    /// Objects of the same kind of trouble in this entry, this one included.
    package var total: Int
    /// Those of them that have the same owner.
    package var owned: Int

    package init(
        _ kind: Kind, sort: String, schema: String? = nil, name: String? = nil, owner: String? = nil, rights: [String] = [],
        way: String? = nil, total: Int = 1, owned: Int = 1
    ) {
        self.kind = kind
        self.sort = sort
        self.schema = schema
        self.name = name
        self.owner = owner
        self.rights = rights
        self.way = way
        self.total = total
        self.owned = owned
    }

    /// The way of a right that no grant makes usable.
    static let takesNone = "its kind, which takes no such statement"

    /// `table sales.orders`; quoted as SQL wants it.
    package var object: String {
        // A function's name carries its argument types, which must not end up inside the quotes.
        let parts = [schema, sort == "function" ? nil : name].compactMap { $0 }.map(SQLText.identifierWhereNeeded)
        if sort == "function", let name {
            let types = String(name.lastIndex(of: "(").map { name[$0...] } ?? "")
            let bare = String(name.dropLast(types.count))
            // The text is shown inside statements to run, and comes from the server.
            let isPlain = types.hasPrefix("(") && types.hasSuffix(")") && types.dropFirst().dropLast().utf8.allSatisfy(Self.isTypePart)
            return "function \((parts + [SQLText.identifierWhereNeeded(bare)]).joined(separator: "."))\(isPlain ? types : "(<types>)")"
        }
        return ([sort] + (parts.isEmpty ? [] : [parts.joined(separator: ".")])).joined(separator: " ")
    }

    /// Takes over what ``PrivilegeStatement/behind(_:_:_:)`` says: which view asks, and as whom.
    mutating func tell(_ story: JSON) {
        grantee = story["as"]?.text
        let view = [story["schema"]?.text, story["view"]?.text].compactMap { $0 }.map(SQLText.identifierWhereNeeded).joined(separator: ".")
        way = "view \(view), which asks for it as \(SQLText.identifierWhereNeeded(grantee ?? ""))"
    }

    private static func isTypePart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: " "), UInt8(ascii: ","), UInt8(ascii: "."), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: "\""):
            true
        default: false
        }
    }

    /// Kinds of objects that an answer can speak of.
    static let sorts: Set<String> = [
        "role", "database", "schema", "table", "view", "materialized view", "foreign table", "sequence", "function", "right",
    ]

    package static let table = JSONTable<PrivilegeRow>("privilege_object", "An object at which an entry fails, or threatens to.") {
        JSONKey("kind", "missing and absent are required, held is denied, future comes with new objects, filtered is row-level security.") {
            $0.kind
        }
        JSONKey("object", "As SQL writes it.") { Redactor.scrub($0.object) }
        JSONKey("owner", "Who can give or take the right.") { $0.owner.map(Redactor.scrub) }
        JSONKey("rights", "Words of SQL.") { $0.rights.map(Redactor.scrub) }
        JSONKey("way", "Through what a denied right was obtained, or a required one is taken away.") { $0.way.map(Redactor.scrub) }
        JSONKey("grantee", "As whom a view asks for what is missing, where that is not the role itself.") { $0.grantee.map(Redactor.scrub) }
        JSONKey("total", "Objects with the same trouble in this entry, this one included.") { $0.total }
    }
}

/// The verdict on the rights of one check.
package struct PrivilegeReport: Sendable, Hashable, JSONTabled {
    /// The role that was asked about: the session's.
    package var role: String
    /// Through what the role is an administrator (`superuser`, `azure_pg_admin`); then there are no verdicts, for it may do everything.
    package var administrator: String?
    /// One per rule, in the order of ``PrivilegeRules/entries``.
    package var entries: [Entry]
    /// Why the rights could not be looked at; there are no verdicts then.
    package var problem: Failure?
    /// Whose words the remedies have to use.
    package var engine: Engine
    /// Roles that were granted and are not active, where that makes a difference (MySQL).
    package var inactiveRoles: [String]
    /// Groups through which a session came in that has no user of its own; nil where it has one (Azure SQL).
    package var groups: [String]?

    /// Where the view that tutorials ask says something else; nil where it was not asked (PostgreSQL, at the first probe and once an hour).
    package var listing: PrivilegeListing?
    /// Whether the server is MariaDB, whose words for roles differ from MySQL's.
    package var isMariaDB = false

    package struct Entry: Sendable, Hashable, JSONTabled {
        package var label: String
        package var demand: PrivilegeDemand
        package var rule: PrivilegeRule
        package var rows: [PrivilegeRow]

        package init(label: String, demand: PrivilegeDemand, rule: PrivilegeRule, rows: [PrivilegeRow]) {
            self.label = label
            self.demand = demand
            self.rule = rule
            self.rows = rows
        }

        /// Whether the rule held. What only threatens objects to come, or hides rows, does not break it.
        package var isPassed: Bool { !rows.contains { $0.kind.isBreach } }
        /// Whether the server gave a verdict. A broken rule is broken whatever else is not known.
        package var isDecided: Bool { !isPassed || !rows.contains { $0.kind == .unknown } }
        /// Objects that break the rule, also those that are not named.
        package var broken: Int {
            // Rows of one kind and sort come from one branch and carry the same total.
            var totals: [String: Int] = [:]
            for row in rows where row.kind.isBreach {
                let object = row.grantee == nil ? "object" : "behind"
                let branch = row.sort == "schema" ? "schema" : row.sort == "role" ? row.rights.joined() : object
                totals["\(row.kind.rawValue) \(branch)"] = row.total
            }
            return totals.values.reduce(0, +)
        }

        package static let table = JSONTable<Entry>("privilege_entry", "The verdict on one entry of privileges.") {
            JSONKey("name", "The label privilege of the metric.") { $0.label }
            JSONKey("demand", "Whether it is required or denied.") { $0.demand }
            JSONKey("rule", "The entry as it is written.") { Redactor.scrub($0.rule.description) }
            JSONKey("passed", "Whether it held; null without a verdict.") { entry in entry.isDecided ? entry.isPassed : nil as Bool? }
            JSONKey("broken", "Objects that break it.") { $0.broken }
            JSONKey("objects", "Which they are, as far as they are named.") { $0.rows }
        }
    }

    package init(
        role: String, administrator: String? = nil, entries: [Entry] = [], problem: Failure? = nil, engine: Engine = .postgresql,
        inactiveRoles: [String] = []
    ) {
        self.role = role
        self.administrator = administrator
        self.entries = entries
        self.problem = problem
        self.engine = engine
        self.inactiveRoles = inactiveRoles
    }

    /// Reads the answer to ``PrivilegeStatement``.
    /// - Returns: nil when the answer has not the shape that was asked for.
    package init?(_ rules: PrivilegeRules, answer: [[String?]]) {
        var role: String?
        var administrator: String?
        var entries = rules.entries.map { Entry(label: $0.rule.label($0.demand), demand: $0.demand, rule: $0.rule, rows: []) }
        for row in answer {
            guard row.count == 10, let index = row[0].flatMap({ Int($0) }), let kind = row[1], let sort = row[2] else { return nil }
            if index == -1, kind == "self" {
                (role, administrator) = (row[4], row[7])
                continue
            }
            let rights = row[6].map { $0.split(separator: ",").map { String($0.drop { $0 == " " }) } } ?? []
            let story = kind == "behind" ? row[7].flatMap { JSON(parsing: $0) } : nil
            guard let kind = PrivilegeRow.Kind(rawValue: story == nil ? kind : "missing"), entries.indices.contains(index),
                PrivilegeRow.sorts.contains(sort),
                rights.allSatisfy({ PrivilegeRight(rawValue: $0.lowercased()) != nil })
            else { return nil }
            var seen = PrivilegeRow(
                kind, sort: sort, schema: row[3], name: row[4], owner: row[5],
                rights: rights, way: row[7], total: row[8].flatMap { Int($0) } ?? 1, owned: row[9].flatMap { Int($0) } ?? 1)
            if let story { seen.tell(story) }
            entries[index].rows.append(seen)
        }
        guard let role else { return nil }
        self.init(role: role, administrator: administrator, entries: administrator == nil ? entries : [])
    }

    /// The series of the metric: one per label in use, true when every entry of that label held. Empty without a verdict; a label of which an
    /// entry is not known has none unless another entry is broken.
    package var verdicts: [(label: String, isPassed: Bool)] {
        guard problem == nil, administrator == nil else { return [] }
        let open = Set(entries.filter { !$0.isDecided }.map(\.label)).subtracting(entries.filter { !$0.isPassed }.map(\.label))
        return entries.filter { !open.contains($0.label) }.reduce(into: [(label: String, isPassed: Bool)]()) { verdicts, entry in
            if let known = verdicts.firstIndex(where: { $0.label == entry.label }) {
                verdicts[known].isPassed = verdicts[known].isPassed && entry.isPassed
            } else {
                verdicts.append((entry.label, entry.isPassed))
            }
        }
    }

    package static let table = JSONTable<PrivilegeReport>("privileges", "The verdict on the rights that are configured.") {
        JSONKey("role", "Who was asked about.") { Redactor.scrub($0.role) }
        JSONKey("administrator", "Through what it is one; there is no verdict then.") { $0.administrator }
        JSONKey("problem", "Why the rights could not be looked at.") { $0.problem?.cause }
        JSONKey("entries", "One an entry, in their order.") { $0.entries }
        JSONKey("listing", "Where the view that tutorials ask says something else; null where it was not asked or agrees.") { $0.listing }
    }

    /// What history keeps, written when it changes: verdicts and what is broken, without numbers that move every day.
    package struct Summary: Sendable, JSONTabled {
        fileprivate let report: PrivilegeReport

        package static let table = JSONTable<Summary>("privileges_kept", "The same as history keeps it.") {
            JSONKey("role", "Who was asked about.") { Redactor.scrub($0.report.role) }
            JSONKey("administrator", "Through what it is one.") { $0.report.administrator }
            JSONKey("entries", "One an entry, in their order.") { $0.report.entries.map(EntrySummary.init) }
        }
    }

    package var summary: JSON { Summary(report: self).json }

    fileprivate struct EntrySummary: Sendable, JSONTabled {
        let entry: Entry

        static let table = JSONTable<EntrySummary>("privilege_entry_kept", "The verdict on one entry as history keeps it.") {
            JSONKey("name", "The label privilege of the metric.") { $0.entry.label }
            JSONKey("demand", "Whether it is required or denied.") { $0.entry.demand }
            JSONKey("passed", "Whether it held; null without a verdict.") { kept in
                kept.entry.isDecided ? kept.entry.isPassed : nil as Bool?
            }
            JSONKey("rule", "The entry as it is written.") { Redactor.scrub($0.entry.rule.description) }
            JSONKey("objects", "What is wrong, in words.") { kept in
                kept.entry.rows.map { Redactor.scrub("\($0.kind.rawValue) \($0.rights.joined(separator: ", ")) \($0.object)") }
            }
        }
    }
}
