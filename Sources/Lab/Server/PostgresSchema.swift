// What is in the databases of the lab: roles as an administrator of Azure would have made them, tables with rows, and the odd cases.

/// The statements that furnish a fresh server.
enum PostgresSchema {
    /// Roles and what they are mapped to; the standard principals own them.
    static let mappings: [String: TokenGate.Mapping] = {
        func id(_ name: String) -> String { Principal.standard.first { $0.name == name }?.objectID ?? "" }
        return [
            "aad_orders": .principal(id("app")), "aad_billing": .principal(id("app")), "aad_reporting": .principal(id("reporting")),
            "aad_batch": .principal(id("batch")), "aad_readers": .group(Principal.readersGroup), "aad_closed": .principal(id("app")),
            "aad_full": .principal(id("app")),
            // Made for an identity that was deleted and made again under the same name.
            "aad_recreated": .principal("00000000-dead-4000-8000-000000000001"),
        ]
    }()

    /// `aad_closed` may not log in, `aad_full` has no connections left, `local_app` has a password of its own; database `closed` admits
    /// nobody, `fenced` is refused by pg_hba.conf.
    static func script(roles: TokenGate) -> String {
        var lines = [
            "CREATE ROLE entra_principals NOLOGIN;", "CREATE ROLE local_accounts NOLOGIN;", "CREATE ROLE shop_owner NOLOGIN;",
        ]
        for role in mappings.keys.sorted() { lines.append("CREATE ROLE \(role) LOGIN IN ROLE entra_principals;") }
        lines += [
            "ALTER ROLE aad_closed NOLOGIN;", "ALTER ROLE aad_full CONNECTION LIMIT 0;",
            "SET password_encryption = 'scram-sha-256';",
            "CREATE ROLE local_app LOGIN PASSWORD 'native password' IN ROLE local_accounts;",
            "CREATE DATABASE orders OWNER shop_owner;", "CREATE DATABASE billing OWNER shop_owner;",
            "CREATE DATABASE closed OWNER shop_owner;",
            "CREATE DATABASE fenced OWNER shop_owner;", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC;",
        ]
        lines += furnish("orders", tables: ["customers", "orders", "order_lines"], writers: ["aad_orders", "aad_batch"])
        lines += furnish("billing", tables: ["invoices", "payments"], writers: ["aad_billing"])
        return lines.joined(separator: "\n")
    }

    private static func furnish(_ database: String, tables: [String], writers: [String]) -> [String] {
        let readers = ["aad_reporting", "aad_readers"].joined(separator: ", ")
        let writers = writers.joined(separator: ", ")
        var lines = ["\\connect \(database)", "ALTER SCHEMA public OWNER TO shop_owner;", "SET ROLE shop_owner;"]
        for table in tables {
            lines.append("CREATE TABLE public.\(table) (id bigserial PRIMARY KEY, made timestamptz NOT NULL DEFAULT now(), note text);")
            lines.append("INSERT INTO public.\(table) (note) SELECT 'row ' || n FROM generate_series(1, 20) AS n;")
        }
        lines += [
            "CREATE SCHEMA audit;", "CREATE TABLE audit.log (id bigserial PRIMARY KEY, said text);",
            "GRANT USAGE ON SCHEMA public TO \(writers), \(readers);",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \(writers);",
            "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO \(writers);",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO \(readers);",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \(writers);",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO \(writers);", "RESET ROLE;",
        ]
        return lines
    }
}
