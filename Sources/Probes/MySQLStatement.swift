// What a MySQL session is told and asked: the fewest statements that answer the questions.

package enum MySQLStatement {
    /// Makes the session one that cannot write and does not wait long. The two products name the same things differently.
    ///
    /// **Source**: MySQL documentation, "Server System Variables"; MariaDB documentation, `tx_read_only`, `max_statement_time` (seconds).
    package static func session(isMariaDB: Bool, milliseconds: Int) -> String {
        let seconds = max(1, milliseconds / 1000)
        // An empty mode: a backslash escapes and names stand in backticks, whatever the server's default is.
        let common = "lock_wait_timeout = \(seconds), sql_mode = ''"
        return isMariaDB
            ? "SET SESSION tx_read_only = 1, max_statement_time = \(Double(milliseconds) / 1000), \(common)"
            : "SET SESSION transaction_read_only = 1, max_execution_time = \(milliseconds), \(common)"
    }

    /// What MySQL 8 lists apart from grants.
    static let roles = "SELECT CURRENT_ROLE(), @@GLOBAL.partial_revokes"
    /// What was given to the account itself. MySQL 8 adds what active roles bring to SHOW GRANTS without a name and FOR CURRENT_USER() alike;
    /// asked by its own name it leaves them out, and everybody may ask that of himself. **Source**: MySQL 8, `Sql_cmd_show_grants`.
    /// - Parameter account: quoted.
    static func ownGrants(of account: String) -> String { "SHOW GRANTS FOR \(account)" }
    /// The same with what these roles bring. - Parameter roles: quoted.
    static func grants(using roles: [String]) -> String { "SHOW GRANTS FOR CURRENT_USER() USING \(roles.joined(separator: ", "))" }
    /// Most rows of grants that are read.
    static let grantLimit = 5000

    /// One round trip, nothing but the session's own facts: who was asked for, whose account it became, where, whether writes are possible,
    /// what time it is, and how names are compared.
    package static let question =
        "SELECT USER(), CURRENT_USER(), DATABASE(), @@GLOBAL.read_only, UNIX_TIMESTAMP(NOW(6)), @@GLOBAL.lower_case_table_names"
    static let columns = 6
}
