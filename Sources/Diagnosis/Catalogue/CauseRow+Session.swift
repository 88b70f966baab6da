// Rows of the groups session, privilege, query and internal.

extension CauseRow {
    // MARK: session

    static let databaseUnknown = CauseRow(
        .session, retry: .no,
        means: "The server does not know the database.",
        hint: "Name or case is wrong, or this is another server than meant.",
        hints: [
            .only(
                """
                The name is wrong, or the identity has no user in that database: Azure SQL gives the same answer to both. With 40532 it is the \
                name of the server.
                """, for: .azuresql)
        ],
        remedies: [
            .look("az postgres flexible-server db list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .postgresql),
            .look("az mysql flexible-server db list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .mysql),
            .look("az sql db list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .azuresql),
            .repair(
                "CREATE USER \(bracket: .identityName) FROM EXTERNAL PROVIDER;  -- in database \(word: .database), as Entra admin: if it is listed",
                for: .azuresql),
        ],
        next: [
            .only("the case of the name", for: .postgresql), .only("the case of the name", for: .mysql),
            .only("the server's name: an address, an alias or a privatelink name is refused (40532)", for: .azuresql),
            "the address the host name led to",
        ])

    static let databaseAccessDenied = CauseRow(
        .session, retry: .no,
        means: "The login works; the database is closed to it.",
        hint: "Grant access to the database, or open the database again where it takes no connections.",
        hints: [
            .only("Grant the account a right in the database: without any it may not enter it.", for: .mysql),
            .only("The identity has no user in this database, or one whose CONNECT was taken away.", for: .azuresql),
        ],
        remedies: [
            .look("SELECT datname, datallowconn, datacl FROM pg_database WHERE datname = \(literal: .database);", for: .postgresql),
            .look("SHOW GRANTS FOR \(literal: .user)@'%';", for: .mysql),
            .look(
                "SELECT name, type_desc FROM sys.database_principals WHERE type IN ('E', 'X');  -- in database \(word: .database), as Entra admin",
                for: .azuresql),
            .repair(
                "CREATE USER \(bracket: .identityName) FROM EXTERNAL PROVIDER;  -- in database \(word: .database), as Entra admin",
                for: .azuresql),
            .widens(
                """
                GRANT CONNECT ON DATABASE \(identifier: .database) TO \(identifier: .user);  -- as the database's owner
                """, for: .postgresql),
            .widens("GRANT SELECT, INSERT, UPDATE, DELETE ON \(backtick: .database).* TO \(literal: .user)@'%';", for: .mysql),
            .widens(
                "GRANT CONNECT TO \(bracket: .identityName);  -- in database \(word: .database), when the user is there", for: .azuresql),
        ],
        next: [
            .only("a login to database postgres with the same identity: it proves the login itself", for: .postgresql),
            .only("a login to information_schema with the same identity: it proves the login itself", for: .mysql),
            .only("whether the user was made in this database rather than in master", for: .azuresql),
            .only("the case of the database's name", for: .postgresql), .only("the case of the database's name", for: .mysql),
        ])

    static let connectionLimit = CauseRow(
        .session, retry: .yes,
        means: "The server, the database or the role has no free connection.",
        hint: "Pools are larger than max_connections, connections leak, or the role has a limit of its own; the probe needs one place too.",
        hints: [
            .only(
                "The sessions that the database's size allows are used up: pools of all instances add up, or sessions leak. The probe needs one too.",
                for: .azuresql)
        ],
        remedies: [
            .look("SELECT usename, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;", for: .postgresql),
            .look(
                """
                az postgres flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n max_connections \
                --query value
                """,
                for: .postgresql),
            .look("SHOW PROCESSLIST;", for: .mysql),
            .look(
                "az mysql flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n max_connections --query value",
                for: .mysql),
            .look(
                "SELECT login_name, program_name, COUNT(*) FROM sys.dm_exec_sessions GROUP BY login_name, program_name ORDER BY 3 DESC;  -- as admin",
                for: .azuresql),
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query \
                "[currentServiceObjectiveName,elasticPoolId]" -o tsv
                """, for: .azuresql),
            .repair(
                "az postgres flexible-server parameter set -g \(word: .resourceGroup) -s \(word: .server) -n pgbouncer.enabled -v true",
                for: .postgresql),
            .repair(
                """
                az sql db update -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --service-objective <larger size>  \
                # costs more
                """, for: .azuresql),
            .widens("ALTER ROLE \(identifier: .user) CONNECTION LIMIT -1;", for: .postgresql),
            .widens("ALTER USER \(literal: .user)@'%' WITH MAX_USER_CONNECTIONS 0;", for: .mysql),
        ],
        next: ["sum of the pool sizes of all instances", "connections that are idle in a transaction"])

    static let serverUnavailable = CauseRow(
        .session, retry: .yes,
        means: "The server is reached, but is starting, stopping, failing over or in maintenance.",
        hint: "Usually over within a minute; look closer only if it lasts.",
        remedies: [
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
            .look("az mysql flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .mysql),
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query status -o tsv
                """, for: .azuresql),
        ],
        next: [
            .only("whether it is serverless: a sleeping database answers like this for about a minute", for: .azuresql),
            "resource health and the maintenance window of the server", "promotion of a replica",
        ])

    static let serverStopped = CauseRow(
        .session, retry: .no,
        means: "The server was stopped on purpose.",
        hint: "Start it, or find what stops it: a schedule, a budget, a person.",
        hints: [
            .only(
                """
                The message says which it is: the month's free allowance is used up (wait for the first of the month, UTC, or pay), or the \
                server or its subscription is disabled (its owner has to enable it).
                """, for: .azuresql)
        ],
        remedies: [
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
            .look("az mysql flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .mysql),
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query \
                "[status,useFreeLimit,freeLimitExhaustionBehavior]" -o tsv
                """, for: .azuresql),
            .look("az account show --query state -o tsv", for: .azuresql),
            .repair("az postgres flexible-server start -g \(word: .resourceGroup) -n \(word: .server)", for: .postgresql),
            .repair("az mysql flexible-server start -g \(word: .resourceGroup) -n \(word: .server)", for: .mysql),
            .widens(
                """
                az sql db update -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --set \
                freeLimitExhaustionBehavior=BillOverUsage  # where the free allowance is used up: goes on at once, and costs money from now on
                """, for: .azuresql),
        ],
        next: [
            .only("automation that stops servers at night", for: .postgresql), .only("automation that stops servers at night", for: .mysql),
            .only("who logs in so often that the allowance is used up: a sleeping database uses none", for: .azuresql),
            "the activity log of the server",
        ])

    static let databaseResuming = CauseRow(
        .session, severity: .warning, retry: .yes,
        means: "A serverless database was asleep and is waking up, which takes about a minute.",
        hint: "Logins keep it awake and billed: give it wake: auto or a budget, or let it never pause.",
        remedies: [
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query \
                "[status,autoPauseDelay]" -o tsv
                """, for: .azuresql),
            .look("agent history \(word: .check)"),
            .repair(
                "az sql db update -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --auto-pause-delay -1",
                for: .azuresql
            ),
        ],
        next: ["who else logs in to it", "the health of the server, when it lasts longer than two minutes"])

    static let serviceThrottled = CauseRow(
        .session, retry: .yes,
        means: "The server refuses new work because its resources are used up.",
        hint: "Lower the load or give the server more.",
        hints: [
            .only(
                "Processor, log or workers of the database or its pool are at their limit: find what uses them, or give it a larger size.",
                for: .azuresql)
        ],
        remedies: [
            .look("SELECT state, wait_event_type, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC;", for: .postgresql),
            .look("SHOW ENGINE INNODB STATUS;", for: .mysql),
            .look(
                """
                SELECT TOP 5 end_time, avg_cpu_percent, avg_data_io_percent, avg_log_write_percent, max_worker_percent, max_session_percent \
                FROM sys.dm_db_resource_stats ORDER BY end_time DESC;  -- as admin
                """, for: .azuresql),
            .look(
                """
                SELECT session_id, blocking_session_id, wait_type, total_elapsed_time FROM sys.dm_exec_requests WHERE session_id > 50 ORDER \
                BY total_elapsed_time DESC;  -- as admin
                """, for: .azuresql),
            .repair(
                "az postgres flexible-server update -g \(word: .resourceGroup) -n \(word: .server) --sku-name <larger size>",
                for: .postgresql),
            .repair(
                """
                az sql db update -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --service-objective <larger size>  \
                # costs more
                """, for: .azuresql),
        ],
        next: [
            .only("memory, processor and storage throughput of the server", for: .postgresql),
            .only("memory, processor and storage throughput of the server", for: .mysql),
            .only("who blocks whom: waiting requests hold their workers", for: .azuresql),
            .only("the elastic pool, when the database is in one: its neighbours use the same workers", for: .azuresql),
        ])

    // MARK: privilege

    static let privilegeMissing = CauseRow(
        .privilege, retry: .no,
        means: "A right that is needed is absent or not active.",
        hint: "Grant what is named here, as the owner of the object; the right to use the schema is asked for first.",
        hints: [
            .only("Grant what is named here, as an account that has it with GRANT OPTION.", for: .mysql),
            .only("Grant what is named here, as db_owner or Entra admin; where something denies it, that has to go first.", for: .azuresql),
        ],
        remedies: [
            .look(
                """
                SELECT table_schema, table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = \
                \(literal: .user);  -- as the role itself; shows grants to its own name only: nothing that comes through other roles, \
                PUBLIC or superuser, no sequences, no materialized views
                """,
                for: .postgresql),
            .look("SHOW GRANTS FOR \(literal: .user)@'%';", for: .mysql),
            .look("SELECT permission_name FROM sys.fn_my_permissions(NULL, 'DATABASE');  -- as the identity itself", for: .azuresql),
            .look(
                """
                SELECT USER_NAME(role_principal_id) AS role, USER_NAME(member_principal_id) AS member FROM sys.database_role_members;  \
                -- as admin: also a role that denies, and what is a member by way of another
                """, for: .azuresql),
            .widens("SET DEFAULT ROLE ALL TO \(literal: .user)@'%';  -- when roles were granted and are not active", for: .mysql),
            .widens("GRANT USAGE ON SCHEMA \(identifier: .schema) TO \(identifier: .user);", for: .postgresql),
            .widens(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \(identifier: .schema) TO \(identifier: .user);",
                for: .postgresql),
        ],
        next: [
            .only("who owns the object", for: .postgresql), .only("who owns the object", for: .azuresql),
            .only("row-level security, when rows are missing and no error is shown", for: .postgresql),
            .only("row-level security, when rows are missing and no error is shown", for: .azuresql),
            .only("whether the login met the account that is meant: SELECT CURRENT_USER()", for: .mysql),
            .only("partial revokes, which take away what a wider grant gives", for: .mysql),
        ])

    static let privilegeFutureObjects = CauseRow(
        .privilege, severity: .warning, retry: .no,
        means: "The objects of today are covered, those that are made tomorrow are not.",
        hint: "GRANT ON ALL TABLES is a snapshot: add default privileges for every role that makes objects.",
        hints: [
            .only("A right on single tables covers no new ones: grant it on the database.", for: .mysql),
            .only("A right on single objects covers no new ones: grant it on their schema.", for: .azuresql),
        ],
        remedies: [
            .look(
                """
                SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl;  -- objtype r \
                tables, S sequences, f functions; a dash is every schema
                """,
                for: .postgresql),
            .look("SHOW GRANTS FOR \(literal: .user)@'%';", for: .mysql),
            .look(
                """
                SELECT SCHEMA_NAME(major_id), permission_name, state_desc, USER_NAME(grantee_principal_id) FROM sys.database_permissions WHERE \
                class_desc = 'SCHEMA';
                """, for: .azuresql),
        ],
        next: ["which login runs migrations", "whether the newest objects are missing already"])

    static let databaseReadOnly = CauseRow(
        .privilege, retry: .maybe,
        means: "Nothing can be written: a replica, full storage, or a setting.",
        hint: "Either this is a replica's name, or the storage is nearly full: the server stops writing at 95 percent.",
        hints: [
            .only("Either this is a secondary, or the database has reached its largest size: then only deleting goes on.", for: .azuresql)
        ],
        remedies: [
            .look(
                "SELECT pg_is_in_recovery(), setting, source FROM pg_settings WHERE name = 'default_transaction_read_only';",
                for: .postgresql),
            .look("SELECT @@read_only, @@super_read_only;", for: .mysql),
            .look("SELECT DATABASEPROPERTYEX(DB_NAME(), 'Updateability');", for: .azuresql),
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query \
                "[maxSizeBytes,currentServiceObjectiveName,secondaryType]" -o tsv
                """, for: .azuresql),
            .repair(
                "az postgres flexible-server update -g \(word: .resourceGroup) -n \(word: .server) --storage-size <more GiB>",
                for: .postgresql),
            .repair(
                "az mysql flexible-server update -g \(word: .resourceGroup) -n \(word: .server) --storage-size <more GiB> --auto-grow Enabled",
                for: .mysql),
            .repair(
                "az sql db update -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --max-size <more>GB", for: .azuresql),
        ],
        next: [
            .only("storage percent of the server", for: .postgresql), .only("storage percent of the server", for: .mysql),
            .only("used space of the database against its largest size", for: .azuresql),
            .only("whether a failover made this the secondary: the failover group's name always leads to the primary", for: .azuresql),
            "replication role of the server",
        ])

    // MARK: query

    static let queryTimeout = CauseRow(
        .query, retry: .yes,
        means: "The probe's small statement was ended by a time limit.",
        hint: "The statement is trivial, so look at locks, waits and processor of the server.",
        remedies: [
            .look(
                """
                SELECT pid, state, wait_event_type, wait_event, now() - query_start AS age FROM pg_stat_activity ORDER BY \
                age DESC NULLS LAST LIMIT 20;
                """,
                for: .postgresql),
            .look("SHOW FULL PROCESSLIST;", for: .mysql),
            .look("SELECT session_id, wait_type, blocking_session_id FROM sys.dm_exec_requests;  -- as admin", for: .azuresql),
            .look("agent history \(word: .check)"),
        ],
        next: ["the duration of the phase query over the last hours"])

    static let queryFailed = CauseRow(
        .query, retry: .maybe,
        means: "The server refused the probe's statement for a reason of its own.",
        hint: "The login works; the message says what the statement met.",
        remedies: [.look("agent history \(word: .check)"), .look("SELECT current_database(), current_schemas(false);", for: .postgresql)],
        next: [
            "the database the session is in", .only("a pooler that does not pass the statement on", for: .postgresql),
            .only("a proxy that does not pass the statement on", for: .mysql),
        ])

    static let connectionLost = CauseRow(
        .query, retry: .yes,
        means: "The session ended after the login.",
        hint: "Restart, failover, an administrator, or a middlebox that forgets idle connections (four minutes by default on Azure).",
        remedies: [
            .look("agent history \(word: .check)"),
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
            .look("az mysql flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .mysql),
        ],
        next: ["the same moment on other targets", "the maintenance window of the server", "keep-alives shorter than 240 seconds"])

    // MARK: internal

    static let probeDeadline = CauseRow(
        .internal, retry: .yes,
        means: "The probe's deadline passed in a phase that has no better name for it.",
        hint:
            "The server takes the connection and does not finish the login: overloaded, a pooler's queue, or its own way to Entra is slow.",
        hints: [
            .only(
                "The server takes the connection and does not finish the login: overloaded, or its own way to Entra is slow.", for: .mysql),
            .only(
                """
                The server takes the connection and does not finish the login: busy, failing over, waking up, or its own way to Entra is slow. \
                Azure advises 30 seconds for a login.
                """, for: .azuresql),
        ],
        remedies: [.look("agent history \(word: .check)"), .look("agent status")],
        next: ["other targets in the same second: is the agent itself starved?", "timeout of the target against its usual duration"])

    static let probeInternal = CauseRow(
        .internal, retry: .yes,
        means: "The agent itself failed, or its host has run out of something.",
        hint: "Descriptors, ports or memory are short here, or the agent has a fault; the database is not to blame.",
        remedies: [.look("agent status"), .look("ss -s; cat /proc/self/limits")],
        next: ["open descriptors of the agent", "outbound ports of this host or its NAT"])

    static let unclassified = CauseRow(
        .internal, retry: .maybe,
        means: "It failed with a text that no rule knows.",
        hint: "Read the message itself; wordings change, and this one is new to the agent.",
        remedies: [.look("agent diagnose \(word: .check) --output json")],
        next: ["the server's log at this time", "other checks of the same server"])
}
