// One arrangement of rights, one rule about it, and the statements that show on a real server whether the rule holds.
import Diagnosis
import Lab
import Probes
import Testing

/// Lives in a schema of its own, which the word `S` stands for in all texts.
struct Situation: Sendable {
    var what: String
    /// Run as administrator, after the schema `S` of `shop_owner` with the tables `t (id, note)` and `u (id)` was made.
    var setup: String
    var demand: PrivilegeDemand = .require
    var on: String
    var grants: [String]
    /// Run as the role, each by itself. A required rule holds when all of them work, a denied one when none does.
    var tries: [String]
    var holds: Bool
    /// What becomes of objects that are made later; nil where nothing is said of it.
    var tomorrow: Tomorrow?
    /// The first version that knows the words. **Unit**: server_version_num.
    var since = 0
    var undo = ""

    struct Tomorrow: Sendable {
        /// Whether what `maker` makes is closed.
        var lacks: Bool
        var maker = "shop_owner"
        var makes = "CREATE TABLE S.fresh (n int)"
        var opens = "SELECT * FROM S.fresh"
    }

    static let usage = "GRANT USAGE ON SCHEMA S TO aad_orders;"
    /// What the server says when a right is missing, or when no right could help.
    static let refusals = [
        "permission denied", "does not exist", "must be", "Only roles", "cannot insert into", "cannot update view", "cannot delete from",
        "cannot change materialized view", "is not a table", "query would be affected by row-level security",
    ]

    static var all: [Situation] { tables + columns + kinds + views + tomorrows + sequences + functions + places + attributes + names }

    /// The same in its own schema.
    func placed(in schema: String) -> Situation {
        func placed(_ text: String) -> String {
            func isWord(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber || "_\"".contains($0) } ?? false }
            var result = ""
            var rest = text[...]
            while let character = rest.popFirst() {
                result += character == "S" && !isWord(result.last) && !isWord(rest.first) ? schema : String(character)
            }
            return result
        }
        let furniture = """
            CREATE SCHEMA S AUTHORIZATION shop_owner; SET ROLE shop_owner; CREATE TABLE S.t (id int, note text);
            CREATE TABLE S.u (id int); RESET ROLE;

            """
        var copy = self
        (copy.setup, copy.undo, copy.on, copy.tries) = (placed(furniture + setup), placed(undo), placed(on), tries.map(placed))
        if let tomorrow {
            copy.tomorrow = Tomorrow(
                lacks: tomorrow.lacks, maker: tomorrow.maker, makes: placed(tomorrow.makes), opens: placed(tomorrow.opens))
        }
        return copy
    }

    var rules: PrivilegeRules {
        get throws {
            let object = try PrivilegeGrammar.object(on).get()
            let rights = try grants.flatMap { try PrivilegeGrammar.rights($0, on: object.kind).get() }
            let rule = PrivilegeRule(object: object, rights: rights)
            return demand == .require ? PrivilegeRules(require: [rule]) : PrivilegeRules(deny: [rule])
        }
    }

    /// Arranges it, asks the probe, and tries; for a situation that has its place.
    func play(_ bench: ProbeBench, _ server: PostgresServer) async throws {
        try await server.execute(setup, in: "orders")
        let observation = try #require(await bench.probe(privileges: try rules).observe(bench.run()))
        #expect(observation.outcome == .succeeded, "\(what)")
        #expect(observation.phases.last?.outcome == .ok, "\(what)")
        let report = try #require(observation.facts.privileges, "\(what)")
        #expect(report.problem == nil, "\(what): \(String(describing: report.problem))")
        let entry = try #require(report.entries.first, "\(what)")
        var worked: [Bool] = []
        for sql in tries { worked.append(await works(sql, server)) }
        let truth = demand == .require ? worked.allSatisfy { $0 } : worked.allSatisfy { !$0 }
        #expect(entry.isPassed == truth, "\(what): \(worked), \(entry.rows)")
        #expect(truth == holds, "\(what): the arrangement is not what its name says, \(worked)")
        #expect((report.listing == nil) == !(try rules.entries[0].rule.object.kind == .table), "\(what)")
        if let listing = report.listing, !listing.isEmpty { try await look(listing, server) }
        if let tomorrow {
            try await server.execute("SET ROLE \(tomorrow.maker); \(tomorrow.makes);", in: "orders")
            #expect(await works(tomorrow.opens, server) == !tomorrow.lacks, "\(what)")
            #expect(entry.rows.contains { $0.kind == .future } == tomorrow.lacks, "\(what): \(entry.rows)")
        }
        if !undo.isEmpty { try await server.execute(undo, in: "orders") }
    }

    /// What is told of the tutorials' view is what it says when the role itself asks it.
    private func look(_ listing: PrivilegeListing, _ server: PostgresServer) async throws {
        let seen = try await server.execute(
            """
            SET SESSION AUTHORIZATION aad_orders; SELECT format('%s.%s %s', table_schema, table_name, privilege_type)
            FROM information_schema.table_privileges WHERE grantee = current_user;
            """, in: "orders")
        let lines = Set(seen.split(separator: "\n").map(String.init))
        func grants(_ row: PrivilegeRow) -> [String] { row.rights.map { "\(row.schema ?? "").\(row.name ?? "") \($0)" } }
        #expect(lines.isDisjoint(with: listing.unlisted.flatMap(grants)), "\(what)")
        #expect(lines.isSuperset(of: listing.inert.flatMap(grants)), "\(what)")
    }

    private func works(_ sql: String, _ server: PostgresServer) async -> Bool {
        // Making a database is refused inside a transaction.
        let text = sql.contains("CREATE DATABASE") ? "\(sql);" : "BEGIN;\n\(sql);\nROLLBACK;"
        do {
            try await server.execute("SET SESSION AUTHORIZATION aad_orders;\n\(text)", in: "orders")
            return true
        } catch {
            #expect(Self.refusals.contains { "\(error)".contains($0) }, "\(what): \(sql): \(error)")
            return false
        }
    }
}
