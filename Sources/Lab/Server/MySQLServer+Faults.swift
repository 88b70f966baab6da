// The faults that the real MariaDB plays itself.

extension MySQLServer {
    func play(_ fault: Fault, accounts: [String], databases: [String], isOn: Bool) async throws {
        for account in accounts {
            switch fault {
            case .roleNoLogin: try await execute("ALTER USER '\(account)'@'%' ACCOUNT \(isOn ? "LOCK" : "UNLOCK");")
            // -1 admits nobody, 0 everybody.
            case .connectionLimit: try await execute("ALTER USER '\(account)'@'%' WITH MAX_USER_CONNECTIONS \(isOn ? -1 : 0);")
            case .roleUnknown:
                let (from, to) = isOn ? (account, account + " (away)") : (account + " (away)", account)
                try await execute("RENAME USER '\(from)'@'%' TO '\(to)'@'%';")
            case .noConnect: try await setRights(of: account, taken: isOn)
            case .mysqlMustChangePassword:
                try await execute(
                    isOn
                        ? "ALTER USER '\(account)'@'%' PASSWORD EXPIRE;"
                        // Naming the plugin again counts as the change of password that the server waits for.
                        : "ALTER USER '\(account)'@'%' IDENTIFIED VIA pam USING '\(serviceName)';")
            default: break
            }
        }
        switch fault {
        case .databaseWrong:
            for database in databases {
                try await execute(isOn ? "DROP DATABASE `\(database)`;" : MySQLSchema.furnish(database).joined(separator: "\n"))
            }
        case .mysqlReadOnly: try await execute("SET GLOBAL read_only = \(isOn ? "ON" : "OFF");")
        default: break
        }
    }
}
