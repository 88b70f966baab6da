// Rows of the group login: the server heard us and said no.

extension CauseRow {
    static let loginPrincipalUnknown = CauseRow(
        .login, retry: .no,
        means: "The server has no principal for the name that was used.",
        hint: "The identity is fine; its role was never created here, is spelt otherwise, is a local one, or Entra authentication is off.",
        hints: [
            .only(
                "The identity is fine; its account was never made here, is spelt otherwise, is a local one, or Entra authentication is off.",
                for: .mysql),
            .only(
                """
                The token is good, but this database has no user for it: never made here, made in master or in another database, or left over \
                from an identity of the same name that was deleted.
                """, for: .azuresql),
        ],
        remedies: [
            .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
            .look("SELECT rolname FROM pg_roles WHERE lower(rolname) = lower(\(literal: .user));", for: .postgresql),
            .look("SELECT user, host, plugin FROM mysql.user WHERE user = \(literal: .user);", for: .mysql),
            .look(
                """
                SELECT name, type_desc, CAST(CAST(sid AS binary(16)) AS uniqueidentifier) AS id FROM sys.database_principals WHERE type IN \
                ('E', 'X');  -- in database \(word: .database), as Entra admin: the identity's id has to be \(guid: .clientID)
                """,
                for: .azuresql),
            .repair(
                """
                SELECT * FROM pgaadauth_create_principal_with_oid(\(literal: .user), '\(guid: .objectID)', 'service', false, \
                false);  -- as Entra administrator, in database postgres
                """,
                for: .postgresql),
            .repair(
                """
                SET aad_auth_validate_oids_in_tenant = OFF; CREATE AADUSER \(literal: .user) IDENTIFIED BY '\(guid: .clientID)';  \
                -- as Entra administrator
                """,
                for: .mysql),
            .repair(
                "CREATE USER \(bracket: .identityName) FROM EXTERNAL PROVIDER;  -- in database \(word: .database), as Entra admin",
                for: .azuresql),
            .repair(
                """
                CREATE USER \(bracket: .identityName) WITH SID = \(sid: .clientID), TYPE = E;  -- in database \(word: .database): the same \
                where the directory cannot be read; a wrong id is taken without a word
                """,
                for: .azuresql),
        ],
        next: [
            .only("names are case sensitive", for: .postgresql), .only("names are case sensitive", for: .mysql),
            .only("a group's role is logged in to under the group's name", for: .postgresql),
            .only("a group's account is logged in to under the group's name", for: .mysql),
            .only("login_identity_recreated, when a user of that name is there with another id", for: .azuresql),
            .only("the group, when a group is the user: a new membership shows only in a new token", for: .azuresql),
            "entra_auth_disabled, when every identity of the server fails",
            .only("the database that was asked for", for: .postgresql), .only("the database that was asked for", for: .mysql),
            .only("the database that was asked for: without a name it is master", for: .azuresql),
        ])

    static let loginIdentityRecreated = CauseRow(
        .login, retry: .no,
        means: "The principal in the database belongs to another object than the token, though the name is the same.",
        hint: "An identity that was deleted and made again has a new object id; map the role anew and its grants stay.",
        hints: [
            .only(
                "The account was made with the object id where MySQL wants the client id, or the identity was made again and has a new one.",
                for: .mysql),
            .only(
                "The user belongs to a deleted identity of the same name. Its id cannot be changed: drop it, make it again, give it its roles back.",
                for: .azuresql),
        ],
        remedies: [
            .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
            .look("SELECT user, host, authentication_string FROM mysql.user WHERE plugin = 'aad_auth';", for: .mysql),
            .look(
                """
                SELECT USER_NAME(role_principal_id) AS role FROM sys.database_role_members WHERE member_principal_id = \
                DATABASE_PRINCIPAL_ID(\(literal: .identityName));  -- in database \(word: .database): the roles to give back
                """, for: .azuresql),
            .look(
                """
                SELECT permission_name, state_desc, class_desc, OBJECT_NAME(major_id) AS object FROM sys.database_permissions WHERE \
                grantee_principal_id = DATABASE_PRINCIPAL_ID(\(literal: .identityName));  -- and the grants
                """, for: .azuresql),
            .look("agent token \(word: .identity)"),
            .repair(
                """
                SECURITY LABEL FOR \"pgaadauth\" ON ROLE \(identifier: .user) IS \
                'aadauth,oid=\(guid: .objectID),type=service';  -- as Entra administrator
                """,
                for: .postgresql),
            .destroys(
                """
                DROP USER \(literal: .user)@'%'; CREATE AADUSER \(literal: .user) IDENTIFIED BY '\(guid: .clientID)';  -- loses the \
                account's grants: save SHOW GRANTS first
                """,
                for: .mysql),
            .destroys(
                "DROP USER \(bracket: .identityName);  -- in database \(word: .database), as Entra admin; loses the user's grants and roles",
                for: .azuresql),
            .destroys(
                """
                CREATE USER \(bracket: .identityName) FROM EXTERNAL PROVIDER;  -- after DROP USER, in a batch of its own; or WITH SID = \
                \(sid: .clientID), TYPE = E
                """, for: .azuresql),
            .destroys(
                "ALTER ROLE [<each of its roles>] ADD MEMBER \(bracket: .identityName);  -- what DROP USER took, as the looks above showed it",
                for: .azuresql),
        ],
        next: [
            .only("a role that was made with the client id where the object id was wanted", for: .postgresql),
            .only("the id in authentication_string against the token's app id, as agent token prints it", for: .mysql),
            .only("the other databases of the server: each has a user of its own to make again", for: .azuresql),
            .only("an object id where the client id was wanted, when the user was made WITH SID", for: .azuresql),
            "several service principals of one display name: az ad sp list --display-name",
        ])

    static let loginTokenType = CauseRow(
        .login, retry: .no,
        means: "A user's token was used for an application's role, or the reverse.",
        hint: "Another identity than intended answered, or the role was created with the wrong type.",
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
            .repair(
                """
                SECURITY LABEL FOR \"pgaadauth\" ON ROLE \(identifier: .user) IS \
                'aadauth,oid=\(guid: .objectID),type=service';  -- as Entra administrator
                """,
                for: .postgresql),
        ],
        next: ["identity_client_id_wrong", "whether the login name is that of the administrator"])

    static let loginDisabled = CauseRow(
        .login, retry: .no,
        means: "The principal exists and may not log in now.",
        hint: "Role without LOGIN, locked or expired; group roles lose LOGIN on purpose when group sync is on.",
        hints: [
            .only("The account is locked, for good or after failed logins, or has expired.", for: .mysql),
            .only("Only logins with a password can be disabled or locked: something sent a user name instead of a token.", for: .azuresql),
        ],
        remedies: [
            .look("SELECT rolname, rolcanlogin, rolvaliduntil FROM pg_roles WHERE rolname = \(literal: .user);", for: .postgresql),
            .look("SELECT user, account_locked, password_expired FROM mysql.user WHERE user = \(literal: .user);", for: .mysql),
            .look("SELECT name, is_disabled FROM sys.sql_logins;  -- in database master, as server admin", for: .azuresql),
            .repair("ALTER ROLE \(identifier: .user) LOGIN;  -- as Entra administrator", for: .postgresql),
            .repair("ALTER USER \(literal: .user)@'%' ACCOUNT UNLOCK;", for: .mysql),
        ],
        next: [
            "who took the right away: the server's audit log",
            .only("pgaadauth.enable_group_sync, when the role is a group's", for: .postgresql),
        ])

    static let clientBlocked = CauseRow(
        .login, retry: .yes,
        means: "The server refuses this client for a while, because of too many failed or unfinished logins from here.",
        hint:
            """
            Stop what logs in and fails: each attempt prolongs the block, and whatever shares this egress address is blocked too. The agent \
            itself rests for 15 minutes.
            """,
        remedies: [
            .look("SELECT * FROM performance_schema.host_cache WHERE sum_connect_errors > 0;", for: .mysql),
            .look("agent history \(word: .check)"),
            .repair("TRUNCATE TABLE performance_schema.host_cache;  -- as administrator; on Azure a restart does the same", for: .mysql),
            .repair("ALTER USER \(literal: .user)@'%' ACCOUNT UNLOCK;  -- for an account that is blocked after failed logins", for: .mysql),
        ],
        next: ["which login failed before the block", "who else comes from the same address"])

    static let entraAuthDisabled = CauseRow(
        .login, retry: .no,
        means: "The server does not take Entra logins.",
        hint: "Switch Entra authentication on and name an Entra administrator; PostgreSQL restarts for it.",
        hints: [
            .only("Name an Entra administrator for the server: without one MySQL takes no Entra login.", for: .mysql),
            .only(
                """
                Without an Entra administrator the server takes no token at all. Who owns it names one (in the portal: Microsoft Entra ID, Set \
                admin); it counts after up to five minutes.
                """, for: .azuresql),
        ],
        remedies: [
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query authConfig", for: .postgresql),
            .look("az mysql flexible-server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .mysql),
            .look("az sql server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table  # empty: none", for: .azuresql),
            .repair(
                "az postgres flexible-server update -g \(word: .resourceGroup) -n \(word: .server) --microsoft-entra-auth Enabled",
                for: .postgresql),
        ],
        next: ["whether the administrator was removed lately", "whether the server moved to another tenant"])

    static let serverIdentityGraph = CauseRow(
        .login, retry: .no,
        means: "The server itself could not look the principal up in Entra.",
        hint:
            """
            The server's own way to Entra is closed: its network has to reach AzureActiveDirectory, its identity has to be \
            allowed to read the directory.
            """,
        hints: [
            .only(
                "Give the server an identity that may read the directory, run the statement as an Entra user, or make the user by its id.",
                for: .azuresql)
        ],
        remedies: [
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query network", for: .postgresql),
            .look("az mysql flexible-server identity list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .mysql),
            .look("az sql server show -g \(word: .resourceGroup) -n \(word: .server) --query identity", for: .azuresql),
            .repair(
                """
                SELECT * FROM pgaadauth_create_principal_with_oid(\(literal: .user), '\(guid: .objectID)', 'service', false, \
                false);  -- as Entra administrator, in database postgres
                """,
                for: .postgresql),
            .repair(
                """
                CREATE USER \(bracket: .identityName) WITH SID = \(sid: .clientID), TYPE = E;  -- in database \(word: .database), as Entra admin
                """, for: .azuresql),
            .repair(
                "az sql server update -g \(word: .resourceGroup) -n \(word: .server) -i  # then the role Directory Readers for it",
                for: .azuresql),
        ],
        next: ["routes and network rules of the server's subnet", "spelling of the name: it has to be in this tenant"])

    static let loginRefused = CauseRow(
        .login, retry: .no,
        means: "The server refused the login and its message does not say why.",
        hint: "The reason is in the server's log; of what can be seen here, compare the token's object id with the role's.",
        hints: [
            .only(
                "The reason is in the server's log; of what can be seen here, compare the token's app id with the account's.", for: .mysql),
            .only("The server does not say why; compare the token's app id and tenant with the user and the server.", for: .azuresql),
        ],
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
            .look("SELECT user, host, authentication_string FROM mysql.user WHERE plugin = 'aad_auth';", for: .mysql),
            .look(
                """
                SELECT name, type_desc, CAST(CAST(sid AS binary(16)) AS uniqueidentifier) AS id FROM sys.database_principals WHERE type IN \
                ('E', 'X');  -- in database \(word: .database), as Entra admin: the token's is \(guid: .clientID)
                """, for: .azuresql),
            .look("az sql server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table  # empty: none", for: .azuresql),
            .look("az postgres flexible-server server-logs list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .postgresql),
            .look("az mysql flexible-server server-logs list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .mysql),
        ],
        next: ["login_principal_unknown", "login_identity_recreated", "login_token_type", "login_disabled", "entra_auth_disabled"])

    static let authMethodUnexpected = CauseRow(
        .login, retry: .no,
        means:
            "The peer asked for something other than the token in clear text inside TLS. No token answers that; MySQL gets an empty password.",
        hint: "The role is a local one with a password, Entra authentication is off, or this is not the server it should be.",
        hints: [
            .only(
                "The account is a local one with a password, Entra authentication is off, or this is not the server it should be.",
                for: .mysql),
            .only(
                "Azure SQL Database knows tokens and passwords only: this is another SQL Server, or one that takes no Entra logins.",
                for: .azuresql),
        ],
        remedies: [
            .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query authConfig", for: .postgresql),
            .look("SELECT user, host, plugin FROM mysql.user WHERE user = \(literal: .user);", for: .mysql),
            .look("az mysql flexible-server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .mysql),
            .look("az sql server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table  # empty: none", for: .azuresql),
            .look("nslookup \(word: .host)"),
        ],
        next: ["issuer and names of the certificate", "entra_auth_disabled"])

    static let protocolViolation = CauseRow(
        .login, retry: .no,
        means: "The peer sent what the protocol does not allow at this point, or more than the limit.",
        hint: "A broken or hostile peer, or a proxy that rewrites the stream.",
        remedies: [.look("nslookup \(word: .host)"), .look("agent diagnose \(word: .check) --local")],
        next: ["the bytes that were seen", "the same from another network"])

    static let tokenNotSent = CauseRow(
        .login, retry: .no,
        means: "The login reached the server without a usable token.",
        hint: "The token was empty or got lost: a driver without its Entra option, or a pool that reuses a connection string.",
        remedies: [.look("agent token \(word: .identity)"), .look("agent diagnose \(word: .check)")],
        next: [
            "which component adds the token to a new connection",
            .only("whether a pooler in between drops the password", for: .postgresql),
            .only("whether a proxy in between drops the password", for: .mysql),
            .only("the connection string: Authentication= or an access token, and no User ID", for: .azuresql),
        ])

    static let nativeLoginDisabled = CauseRow(
        .login, retry: .no,
        means: "A login of the database's own kind was tried on a server that takes Entra logins only.",
        hint: "The account is one with a password: use an account that was made for an Entra identity.",
        remedies: [
            .look(
                "az mysql flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n aad_auth_only --query value",
                for: .mysql),
            .look("az sql server ad-only-auth get -g \(word: .resourceGroup) -n \(word: .server)", for: .azuresql),
            .look("agent token \(word: .identity)"),
            .repair("CREATE AADUSER \(literal: .user) IDENTIFIED BY '\(guid: .clientID)';  -- as Entra administrator", for: .mysql),
            .repair(
                "CREATE USER \(bracket: .identityName) FROM EXTERNAL PROVIDER;  -- in database \(word: .database), as Entra admin",
                for: .azuresql),
            .widens(
                "az mysql flexible-server parameter set -g \(word: .resourceGroup) -s \(word: .server) -n aad_auth_only -v OFF", for: .mysql
            ),
            .widens("az sql server ad-only-auth disable -g \(word: .resourceGroup) -n \(word: .server)", for: .azuresql),
        ],
        next: ["a password that was left in the application's settings"])
}
