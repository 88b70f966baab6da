// The part `privileges:` of a target.
import Diagnosis

struct PrivilegeReader {
    let issues: IssueList
    let engine: Engine

    static let bareExample = "connect"
    static let mappingExample = "{on: \"table sales.orders\", grants: [select]}"

    /// - Returns: no rules when the key is absent or, with errors, when nothing of it can be used.
    func read(_ target: Section) -> PrivilegeRules {
        guard let section = target.section("privileges") else { return PrivilegeRules() }
        section.allow(ConfigurationShape.privileges)
        var places: [String: Int] = [:]
        var rules = PrivilegeRules()
        rules.require = list("require", of: section, &places)
        rules.deny = list("deny", of: section, &places)
        let count = rules.require.count + rules.deny.count
        if count > PrivilegeRules.limit {
            issues.error(
                section.path, at: section.position,
                "has \(count) entries, at most \(PrivilegeRules.limit) are possible; one entry may list several grants")
        }
        if section.entries.isEmpty {
            issues.error(section.path, at: section.position, "says nothing: it has \"require\" and \"deny\", as in require: [connect]")
        }
        return rules
    }

    private func list(_ key: String, of section: Section, _ places: inout [String: Int]) -> [PrivilegeRule] {
        guard let items = section.list(key) else { return [] }
        if items.isEmpty { issues.error(section.path(key), at: section.value(key)?.position, "must have at least one entry") }
        return items.compactMap { rule($0, &places) }
    }

    private func rule(_ item: Placed<YAMLValue>, _ places: inout [String: Int]) -> PrivilegeRule? {
        switch item.value.content {
        case .scalar:
            guard let word = Section.text(item, issues) else { return nil }
            return taken(PrivilegeGrammar.bare(word.value), at: word)
        case .mapping: return mapping(item, &places)
        case .list:
            issues.error(
                item.path, at: item.position, "must be a word such as \(Self.bareExample) or a mapping such as \(Self.mappingExample)")
            return nil
        }
    }

    private func mapping(_ item: Placed<YAMLValue>, _ places: inout [String: Int]) -> PrivilegeRule? {
        guard let fields = Section(item.value, path: item.path, issues: issues) else { return nil }
        fields.allow(ConfigurationShape.privilege)
        let name = fields.text("name")
        if let name {
            if let problem = Names.problem(ofName: name.value) {
                issues.error(name.path, at: name.position, "the name \(problem)")
            } else if let line = places[name.value] {
                issues.error(name.path, at: name.position, "the name \"\(name.value)\" is taken by the entry on line \(line)")
            } else {
                places[name.value] = name.position.line
            }
        }
        for key in ["on", "grants"] where fields.value(key) == nil {
            issues.error(fields.path, at: fields.position, "the key \"\(key)\" is missing, as in \(Self.mappingExample)")
        }
        guard let on = fields.text("on"), let object = taken(PrivilegeGrammar.object(on.value, for: engine), at: on) else { return nil }
        guard let rights = rights(fields, on: object.kind) else { return nil }
        return PrivilegeRule(name: name?.value, object: object, rights: rights)
    }

    private func rights(_ fields: Section, on kind: PrivilegeObject.Kind) -> [PrivilegeRight]? {
        guard let items = fields.list("grants") else { return nil }
        if items.isEmpty {
            issues.error(
                fields.path("grants"), at: fields.value("grants")?.position,
                "must name at least one right; a \(kind.rawValue) has \(kind.rights.map(\.rawValue).joined(separator: ", "))")
        }
        var rights: [PrivilegeRight] = []
        for item in items {
            guard let word = Section.text(item, issues) else { continue }
            // `all` stands for the rights that the engine has; MAINTAIN is PostgreSQL's alone.
            let known = taken(PrivilegeGrammar.rights(word.value, on: kind), at: word) ?? []
            for right in known where right != .maintain || engine == .postgresql {
                if rights.contains(right) {
                    issues.error(word.path, at: word.position, "the right \(right.rawValue) is listed twice")
                } else {
                    rights.append(right)
                }
            }
        }
        return rights.isEmpty ? nil : rights
    }

    private func taken<Value>(_ result: Result<Value, PrivilegeGrammar.Problem>, at place: Placed<String>) -> Value? {
        switch result {
        case .success(let value):
            guard let problem = unknown(value) else { return value }
            issues.error(place.path, at: place.position, "\"\(printable(place.value))\": \(problem)")
            return nil
        case .failure(let problem):
            issues.error(
                place.path, at: place.position, "\"\(printable(place.value))\": \(problem.text)",
                suggestion: Guess.nearest(to: place.value, among: problem.guesses))
            return nil
        }
    }

    private func unknown<Value>(_ value: Value) -> String? {
        switch engine {
        case .postgresql: nil
        case .mysql: Self.unknownToMySQL(value)
        case .azuresql: Self.unknownToAzureSQL(value)
        }
    }

    /// What the grammar knows and SQL Server has nothing of.
    private static func unknownToAzureSQL<Value>(_ value: Value) -> String? {
        let rule = value as? PrivilegeRule
        let strange: [PrivilegeRight] = [.createdb, .replication, .bypassrls, .temporary, .maintain]
        // Where `all` stands for everything there is, the rest of it counts.
        let rights = rule?.rights ?? (value as? [PrivilegeRight]).map { $0.count == 1 ? $0 : [] } ?? []
        return rights.first(where: strange.contains).map { "Azure SQL has no right that \($0.rawValue) could stand for" }
    }

    /// What the grammar knows and MySQL has nothing of.
    private static func unknownToMySQL<Value>(_ value: Value) -> String? {
        switch value {
        case let object as PrivilegeObject where object.kind == .sequence: "MySQL has no sequences"
        case let rights as [PrivilegeRight] where rights == [.maintain]: "MySQL has no right of that name"
        case let rule as PrivilegeRule where rule.rights.contains(.bypassrls): "MySQL has no row-level security to bypass"
        case let rights as [PrivilegeRight] where rights.contains(.bypassrls): "MySQL has no row-level security to bypass"
        default: nil
        }
    }
}
