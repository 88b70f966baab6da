// What is in the MySQL databases of the lab: accounts as `CREATE AADUSER` would have made them, tables with rows, and the odd cases.

/// The statements that furnish a fresh server. **Shape**: one statement a line or more, each ended by `;` at the end of a line, as the
/// bootstrap mode of the server wants them.
enum MySQLSchema {
    /// Accounts and what they are mapped to. Azure Database for MySQL keeps the client id of managed identities, not their object id.
    static let mappings: [String: TokenGate.Mapping] = {
        func id(_ name: String) -> String { Principal.standard.first { $0.name == name }?.clientID ?? "" }
        return [
            "aad_stock": .application(id("app")), "aad_reporting": .application(id("reporting")), "aad_batch": .application(id("batch")),
            "aad_readers": .group(Principal.readersGroup), "aad_bare": .application(id("app")), "aad_closed": .application(id("app")),
            "aad_full": .application(id("app")),
            // Made for an identity that was deleted and made again under the same name.
            "aad_recreated": .application("00000000-dead-4000-8000-000000000002"),
            // Made with the object id where the client id was wanted: the most frequent mistake.
            "aad_object": .application(Principal.standard.first { $0.name == "app" }?.objectID ?? ""),
        ]
    }()

    static let databases = ["stock": ["items", "movements", "suppliers"], "returns": ["claims"]]

    /// `aad_bare` has no rights, `aad_closed` is locked, `aad_full` has no connections left, `local_app` has a password of its own.
    static func script(admin: String, password: String, service: String) -> String {
        var lines = [
            // The grant tables have just been made; the server has not read them yet.
            "FLUSH PRIVILEGES;",
            "CREATE USER '\(admin)'@'localhost' IDENTIFIED BY '\(password)';",
            "GRANT ALL PRIVILEGES ON *.* TO '\(admin)'@'localhost' WITH GRANT OPTION;",
        ]
        for account in mappings.keys.sorted() { lines.append("CREATE USER '\(account)'@'%' IDENTIFIED VIA pam USING '\(service)';") }
        lines += [
            "ALTER USER 'aad_closed'@'%' ACCOUNT LOCK;", "ALTER USER 'aad_full'@'%' WITH MAX_USER_CONNECTIONS -1;",
            "CREATE USER 'local_app'@'%' IDENTIFIED BY 'native password';",
        ]
        for database in databases.keys.sorted() { lines += furnish(database) }
        lines += [
            "GRANT SELECT, INSERT, UPDATE, DELETE ON `stock`.* TO 'aad_stock'@'%', 'aad_batch'@'%', 'aad_closed'@'%', 'aad_full'@'%';",
            "GRANT SELECT ON `stock`.* TO 'aad_reporting'@'%', 'aad_readers'@'%', 'aad_recreated'@'%', 'aad_object'@'%';",
            "GRANT SELECT ON `returns`.`claims` TO 'aad_reporting'@'%';",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// A database with its tables; grants on it are kept apart by the server and survive its absence.
    static func furnish(_ database: String) -> [String] {
        var lines = ["CREATE DATABASE `\(database)`;"]
        for table in databases[database] ?? [] {
            lines += [
                "CREATE TABLE `\(database)`.`\(table)` (id bigint AUTO_INCREMENT PRIMARY KEY, made timestamp DEFAULT now(), note text);",
                "INSERT INTO `\(database)`.`\(table)` (note) SELECT concat('row ', seq) FROM seq_1_to_20;",
            ]
        }
        return lines
    }
}
