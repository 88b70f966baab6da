// The faults that the real PostgreSQL plays itself.

extension PostgresServer {
    func play(_ fault: Fault, roles: [String], databases: [String], isOn: Bool) async throws {
        for role in roles {
            switch fault {
            case .roleNoLogin: try await execute("ALTER ROLE \"\(role)\" \(isOn ? "NOLOGIN" : "LOGIN")")
            case .connectionLimit: try await execute("ALTER ROLE \"\(role)\" CONNECTION LIMIT \(isOn ? 0 : -1)")
            case .roleUnknown: try await rename(role: role, away: isOn)
            default: break
            }
        }
        for database in databases {
            switch fault {
            case .noConnect:
                try await execute(
                    isOn ? "REVOKE CONNECT ON DATABASE \"\(database)\" FROM PUBLIC" : "GRANT CONNECT ON DATABASE \"\(database)\" TO PUBLIC")
            case .databaseWrong: try await rename(database: database, away: isOn)
            default: break
            }
        }
    }
}
