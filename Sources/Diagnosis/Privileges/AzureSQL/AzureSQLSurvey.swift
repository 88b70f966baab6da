// What a user of Azure SQL can do, in a few words and numbers: looked at where nothing is configured about rights.

extension PrivilegeSurvey {
    /// One row in the shape that ``init(answer:)`` reads. Objects on which nothing is held are invisible and not counted.
    ///
    /// **Source**: Microsoft Learn, sys.fn_my_permissions, IS_ROLEMEMBER, HAS_PERMS_BY_NAME; all of them need CONNECT only.
    package static let azureSQLStatement = """
        SELECT CAST(USER_NAME() AS nvarchar(128)), CASE WHEN USER_NAME() = N'dbo' THEN N'dbo' END, \
        (SELECT STRING_AGG(a.word, N',') FROM (VALUES (N'superuser', N'CONTROL'), (N'createrole', N'ALTER ANY ROLE')) AS a(word, permission) \
        WHERE \(AzureSQLPrivileges.onDatabase("a.permission")) = 1), \
        (SELECT N'[' + STRING_AGG(N'"' + STRING_ESCAPE(t.name, 'json') + N'"', N',') + N']' FROM (SELECT TOP (\(roleLimit)) ut.name \
        FROM sys.user_token AS ut WHERE (ut.type LIKE N'%ROLE%' OR ut.type LIKE N'%GROUP%') AND ut.principal_id <> 0 ORDER BY ut.name) AS t), \
        (SELECT STRING_AGG(a.word, N',') FROM (SELECT N'create' AS word WHERE EXISTS (SELECT 1 FROM sys.fn_my_permissions(NULL, 'DATABASE') AS m \
        WHERE m.permission_name = N'CREATE TABLE')) AS a), \
        CASE WHEN USER_NAME() = N'dbo' THEN N't' ELSE N'f' END, \
        CAST((SELECT COUNT(*) FROM sys.schemas AS s WHERE s.schema_id < 16384 AND s.name NOT IN (N'sys', N'INFORMATION_SCHEMA', N'guest') \
        AND HAS_PERMS_BY_NAME(QUOTENAME(s.name), N'SCHEMA', N'ALTER') = 1) AS int), \
        CAST(COUNT(o.id) AS int), CAST(COALESCE(SUM(o.readable), 0) AS int), CAST(COALESCE(SUM(o.writable), 0) AS int), \
        CAST(COALESCE(SUM(o.owned), 0) AS int), CAST(COALESCE(SUM(o.secured), 0) AS int) \
        FROM (SELECT x.object_id AS id, \
        CASE WHEN HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(x.name), N'OBJECT', N'SELECT') = 1 THEN 1 ELSE 0 END AS readable, \
        CASE WHEN HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(x.name), N'OBJECT', N'INSERT') = 1 \
        OR HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(x.name), N'OBJECT', N'UPDATE') = 1 \
        OR HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(x.name), N'OBJECT', N'DELETE') = 1 THEN 1 ELSE 0 END AS writable, \
        CASE WHEN COALESCE(x.principal_id, s.principal_id) = DATABASE_PRINCIPAL_ID() THEN 1 ELSE 0 END AS owned, \
        CASE WHEN EXISTS (SELECT 1 FROM sys.security_predicates AS p WHERE p.target_object_id = x.object_id) THEN 1 ELSE 0 END AS secured \
        FROM sys.objects AS x JOIN sys.schemas AS s ON s.schema_id = x.schema_id WHERE x.type IN ('U', 'V') AND x.is_ms_shipped = 0) AS o;
        """
}
