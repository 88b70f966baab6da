// Takes roles and databases out of sight and brings them back: how the lab makes "does not exist" true.

extension PostgresServer {
    /// Renaming a role drops an MD5 password, which is salted with the name; it is set again afterwards.
    func rename(role: String, away: Bool) async throws {
        let (from, to) = away ? (role, role + " (away)") : (role + " (away)", role)
        try await execute("ALTER ROLE \"\(from)\" RENAME TO \"\(to)\"")
        if !away { try await restorePasswords(of: [role]) }
    }

    /// A database can be renamed only without sessions: new ones are kept out, the present ones ended, and the rest is waited for.
    func rename(database: String, away: Bool) async throws {
        let (from, to) = away ? (database, database + " (away)") : (database + " (away)", database)
        try await execute(
            """
            ALTER DATABASE "\(from)" ALLOW_CONNECTIONS false;
            DO $lab$
            BEGIN
                FOR attempt IN 1..500 LOOP
                    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\(from)';
                    PERFORM pg_stat_clear_snapshot();
                    EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '\(from)');
                    PERFORM pg_sleep(0.01);
                END LOOP;
            END $lab$;
            ALTER DATABASE "\(from)" RENAME TO "\(to)";
            ALTER DATABASE "\(to)" ALLOW_CONNECTIONS true;
            """)
    }
}
