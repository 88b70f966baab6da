// What is known about findings that are not causes: one row per code.

/// The words and the weight of a finding that is not a cause.
package struct FindingRow: Sendable {
    /// The weight where the particulars do not say more.
    package var severity: Severity
    /// The number a command ends with when such a finding is an error.
    package var exit: ExitStatus
    package var means: String
    package var hint: String
    package var remedies: [RemedyTemplate]
    package var next: [String]
}

extension FindingCode {
    package var row: FindingRow {
        switch self {
        case .certificateExpiresSoon:
            FindingRow(
                severity: .warning, exit: .tls, means: "A certificate of the server's chain ends soon.",
                hint: "Azure renews its own certificates in time: if this one is Azure's, wait; if a proxy's or a private one, renew it.",
                remedies: [.look("openssl s_client -starttls postgres -connect \(word: .host):\(word: .port) -brief", for: .postgresql)],
                next: ["the issuer of the certificate", "whether all addresses of the name show the same certificate"])
        case .clockSkew:
            FindingRow(
                severity: .warning, exit: .token, means: "The clocks of this host and of the database differ.",
                hint: "Tokens and certificates are judged by the clock: mend the time of this host before it grows to five minutes.",
                remedies: [.look("timedatectl; chronyc tracking"), .repair("chronyc makestep")],
                next: ["the same figure for other servers: if only one differs, it is that server's clock"])
        case .addressDead:
            FindingRow(
                severity: .warning, exit: .network, means: "The name has an address that does not answer.",
                hint: "Clients that try the dead address first wait for their time limit: take it out of the name, or mend the way to it.",
                remedies: [.look("nslookup \(word: .host)"), .look("ip route get \(word: .address)")],
                next: ["IPv6 answers on an IPv4-only network", "a stale record in a private zone"])
        case .tokenUnchanged:
            FindingRow(
                severity: .info, exit: .token, means: "The source gave the same token again.",
                hint: "The platform keeps tokens of managed identities for up to 24 hours; changes of groups show only in a new one.",
                remedies: [.look("agent token \(word: .identity)")],
                next: ["when the token was issued against the time of the change"])
        case .storeNotPersistent:
            FindingRow(
                severity: .info, exit: .healthy,
                means: "The history does not last: it ends with this process, its container or the machine's memory.",
                hint: "Name a path on a lasting disk in the configuration, if what happened before a restart matters.",
                remedies: [.look("agent config check")], next: ["whether a volume is mounted for the history"])
        case .probingAsAdmin:
            FindingRow(
                severity: .warning, exit: .privileges, means: "The role that is probed with is an administrator.",
                hint: "An administrator may do everything, so nothing is learnt about rights: probe with the role of the application.",
                remedies: [
                    .look("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = \(literal: .user);", for: .postgresql),
                    .look("SELECT * FROM pgaadauth_list_principals(false);  -- in database postgres", for: .postgresql),
                    .look("SELECT USER_NAME();  -- dbo: the server's admin, or the owner of the database", for: .azuresql),
                    .look("agent config check"),
                ],
                next: ["whether the application itself logs in as the administrator"])
        case .overPrivileged:
            FindingRow(
                severity: .warning, exit: .privileges, means: "The role has rights that the configuration denies it.",
                hint: "Take the right away where it comes from: a grant to the role, to a role it belongs to, or to PUBLIC.",
                remedies: [
                    .look(
                        """
                        SELECT r.rolname FROM pg_roles AS r WHERE pg_has_role(\(literal: .user), r.oid, 'MEMBER');  -- the roles it \
                        belongs to
                        """,
                        for: .postgresql),
                    .look("SHOW GRANTS FOR \(literal: .user)@'%';", for: .mysql),
                    .look(
                        """
                        SELECT USER_NAME(role_principal_id) AS role, USER_NAME(member_principal_id) AS member FROM \
                        sys.database_role_members;  -- as admin: also what it is in by way of another role
                        """,
                        for: .azuresql),
                    .look("agent config check"),
                ],
                next: ["who else has the right through the same role or PUBLIC", "whether the application needs it after all"])
        case .rowSecurity:
            FindingRow(
                severity: .info, exit: .privileges, means: "Row-level security decides which rows the role reaches.",
                hint: "A grant opens the table, a policy the rows: without a policy for the role a SELECT succeeds and finds nothing.",
                remedies: [
                    .look(
                        "SELECT schemaname, tablename, policyname, roles, cmd, qual FROM pg_policies;  -- who reaches which rows",
                        for: .postgresql),
                    .look(
                        """
                        SELECT OBJECT_NAME(target_object_id) AS object, predicate_type_desc, operation_desc, predicate_definition FROM \
                        sys.security_predicates;  -- as admin
                        """,
                        for: .azuresql),
                ],
                next: [
                    "whether the application sets what the policies look at, such as a tenant", "who owns the table: owners see all rows",
                ]
            )
        case .databaseKeptAwake:
            FindingRow(
                severity: .info, exit: .healthy, means: "The probes keep a serverless database awake.",
                hint: "Every login is billed for about the pause delay: with wake: auto, or a budget, the database may sleep in between.",
                remedies: [
                    .look(
                        """
                        az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query \
                        "[status,autoPauseDelay,currentSku.name]" -o tsv
                        """, for: .azuresql)
                ], next: ["whether the application keeps it awake anyway"])
        case .loginsRest:
            FindingRow(
                severity: .info, exit: .healthy, means: "Logins to a server rest, so that it does not block this host.",
                hint: "Shown is what the last login saw. Mend what ended it; `agent diagnose` then logs in without waiting.",
                remedies: [
                    .look("agent diagnose \(word: .check)"),
                    .look(
                        "SELECT ip, sum_connect_errors, count_handshake_errors FROM performance_schema.host_cache;  -- as admin",
                        for: .mysql),
                ],
                next: [
                    "what lies between agent and server and ends connections: a proxy, a balancer, an inspecting firewall",
                    "whether the server has blocked this host: it then says so in place of its greeting",
                ])
        case .identityAmbiguous:
            FindingRow(
                severity: .error, exit: .token, means: "Several identities are present and none was chosen.",
                hint: "Name the client id of the one that is meant.",
                remedies: [
                    .look("agent token \(word: .identity)"),
                    .look("az identity list -g \(word: .resourceGroup) --query \"[].[name,clientId]\" -o tsv"),
                ], next: ["a system-assigned identity, which answers before all others"])
        }
    }
}
