// What a session of Azure SQL is asked: one batch that answers all questions.

package enum AzureSQLStatement {
    /// Nothing but the session's own facts: who came in, as whom, where, on what tier, whether writes are possible, what time it is.
    ///
    /// SQL Server has no read-only session; the batch only reads, and waits for no lock for long. What takes too long is ended from here, by
    /// ATTENTION. Everything is cast, because properties come as `sql_variant`. CONNECT is enough.
    /// **Source**: Microsoft Learn, DATABASEPROPERTYEX and SUSER_SNAME.
    package static func question(milliseconds: Int) -> String {
        """
        SET NOCOUNT ON; SET LOCK_TIMEOUT \(milliseconds); \
        SELECT CAST(SUSER_SNAME() AS nvarchar(256)), CAST(USER_NAME() AS nvarchar(256)), CAST(DB_NAME() AS nvarchar(128)), \
        CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(30)), \
        CAST(DATABASEPROPERTYEX(DB_NAME(), 'ServiceObjective') AS nvarchar(64)), \
        DATEDIFF_BIG(millisecond, '1970-01-01', SYSUTCDATETIME());
        """
    }
    static let columns = 6
}
