// Rows of the group token: getting one, and what is wrong with the one that was got.

extension CauseRow {
    // MARK: the source

    static let identityEndpointUnreachable = CauseRow(
        .token, retry: .maybe,
        means: "The identity endpoint of this host does not answer.",
        hint:
            """
            Nothing listens there, the way to it is blocked on this host, or a proxy catches the request. Do not restart: a \
            cached token would be lost.
            """,
        hints: [
            .only(
                """
                Not on Azure compute, metadata access blocked here, or a proxy catches the request. Do not restart: a cached \
                token would be lost.
                """, from: .imds),
            .only(
                """
                The platform's endpoint beside the app is silent: this instance is unwell, IDENTITY_ENDPOINT is not the \
                platform's, or a proxy catches the request. Do not restart at once: a cached token would be lost.
                """, from: .appService),
        ],
        remedies: [
            .look("agent token \(word: .identity)"),
            .look(
                """
                curl -sS -m 3 -o /dev/null -D - --noproxy '*' -H Metadata:true \
                'http://169.254.169.254/metadata/instance?api-version=2021-02-01'
                """,
                from: .imds),
            .look("az webapp identity show -g \(word: .resourceGroup) -n \(word: .compute)", from: .appService),
            .repair("export NO_PROXY=169.254.169.254", from: .imds),
        ],
        next: [
            .only("network policies and iptables rules towards 169.254.169.254", from: .imds),
            .only("IDENTITY_ENDPOINT of the agent's process against that of the app's own", from: .appService),
            "proxy variables of the agent's process",
            .only("another machine of the same network: if only this one fails, it is the machine", from: .imds),
            .only("another instance of the same app: if only this one fails, it is the instance", from: .appService),
        ])

    static let identityNotAssigned = CauseRow(
        .token, retry: .no,
        means: "This compute has no managed identity, or not the one that was asked for.",
        hint: "Assign the identity, or name one that is assigned; it takes minutes, and a deployment slot has identities of its own.",
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("az vm identity show -g \(word: .resourceGroup) -n \(word: .compute)", from: .imds),
            .look("az webapp identity show -g \(word: .resourceGroup) -n \(word: .compute)", from: .appService),
            .repair(
                "az vm identity assign -g \(word: .resourceGroup) -n \(word: .compute) --identities \(word: .identityResource)", from: .imds
            ),
            .repair(
                "az webapp identity assign -g \(word: .resourceGroup) -n \(word: .compute) --identities \(word: .identityResource)",
                from: .appService),
        ],
        next: ["whether the configured id is a client id and not an object id", "a restart of the workload after the assignment"])

    static let identityClientIDWrong = CauseRow(
        .token, retry: .no,
        means: "Several identities are present and none or the wrong one was named, or the token is another identity's.",
        hint: "Put the client id of the intended identity into the configuration; an object id is not taken for it.",
        remedies: [
            .look("agent token \(word: .identity)"),
            .look(
                "az identity show -g \(word: .resourceGroup) -n \(word: .identityName) --query \"[clientId,principalId]\" -o tsv"),
        ],
        next: [
            "app id and object id of the token against the principal in the database",
            "a system-assigned identity that was switched on later and now answers first",
        ])

    static let identityReplyInvalid = CauseRow(
        .token, retry: .maybe,
        means: "The identity endpoint answered, but not with a token.",
        hint: "Something else answers at that address (proxy, portal, stub), or the header that proves us is out of date.",
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("env | grep -i -o -E '^(no_proxy|https?_proxy|IDENTITY_ENDPOINT|MSI_ENDPOINT)='"),
            .repair("az webapp restart -g \(word: .resourceGroup) -n \(word: .compute)", from: .appService),
        ],
        next: ["content type and Server header of the reply", "NO_PROXY of the agent's process"])

    // MARK: Entra

    static let federatedCredentialMismatch = CauseRow(
        .token, retry: .no,
        means: "Entra found no federated credential that fits the assertion.",
        hint: "Issuer, subject and audience have to equal the federated credential letter by letter; a new one needs minutes.",
        remedies: [
            .look("az identity federated-credential list -g \(word: .resourceGroup) --identity-name \(word: .identityName) -o table"),
            .repair(
                """
                az identity federated-credential create -g \(word: .resourceGroup) --identity-name \(word: .identityName) -n \
                agent --issuer <issuer> --subject <subject> --audiences api://AzureADTokenExchange
                """
            ),
        ],
        next: ["age of the assertion's file", "case of the subject and the final slash of the issuer"])

    static let appCredentialInvalid = CauseRow(
        .token, retry: .no,
        means: "Entra refused the secret or certificate of the application.",
        hint: "Renew the credential; for a managed identity it is the platform's own, so switching the identity off and on helps.",
        remedies: [
            .look("az ad app credential list --id \(word: .clientID) -o table"),
            .look("agent token \(word: .identity)"),
            .repair("az ad app credential reset --id \(word: .clientID) --append"),
        ],
        next: ["whether the id of the secret was pasted for its value", "the end date of the credential"])

    static let entraAppNotFound = CauseRow(
        .token, retry: .no,
        means: "Entra does not know the tenant, the application or the resource.",
        hint: "Tenant and client id do not belong together, or the resource is misspelt or of another cloud.",
        remedies: [
            .look("az ad sp show --id \(word: .clientID) --query \"[displayName,appOwnerOrganizationId,accountEnabled]\" -o tsv"),
            .look("az cloud show --query endpoints.ossrdbmsResourceId -o tsv", for: .postgresql),
            .look("az cloud show --query endpoints.ossrdbmsResourceId -o tsv", for: .mysql),
            .look("az cloud show --query suffixes.sqlServerHostname -o tsv  # the resource without the server's name", for: .azuresql),
        ],
        next: ["cloud of the configuration: public, usgovernment, china", "a resource that still ends in /.default"])

    static let entraPolicyDenied = CauseRow(
        .token, retry: .no,
        means: "A policy or a missing consent keeps Entra from giving the token.",
        hint: "Conditional Access for workloads, a required assignment or a disabled account; the sign-in log names the policy.",
        remedies: [
            .look(
                """
                az rest --url \"https://graph.microsoft.com/beta/auditLogs/signIns?\\$filter=signInEventTypes/any(t:t eq \
                'managedIdentity')&\\$top=5\"
                """
            ),
            .look("az ad sp show --id \(word: .clientID) --query accountEnabled"),
        ],
        next: ["the egress address against the named locations of the policy", "whether the resource demands an assignment"])

    static let entraUnavailable = CauseRow(
        .token, retry: .yes,
        means: "The token service answers, but is busy or failing.",
        hint: "Throttled or passing trouble; a token that is cached stays good. Do not restart.",
        remedies: [.look("agent status"), .look("agent token \(word: .identity)")],
        next: [
            "requests for tokens by others on this host", "Azure status, when it lasts for more than two minutes",
            "egress to the service tag AzureActiveDirectory",
        ])

    // MARK: the token

    static let tokenWrongAudience = CauseRow(
        .token, retry: .no,
        means: "The token is for another resource than this database.",
        hint: "PostgreSQL and MySQL take tokens for ossrdbms-aad, Azure SQL those for database.windows.net, each of its own cloud.",
        hints: [
            .only("MySQL takes tokens for ossrdbms-aad of its own cloud, and none that is for Azure SQL or Azure itself.", for: .mysql),
            .only(
                "Azure SQL takes tokens for database.windows.net (in public Azure), and none that is for other databases or Azure itself.",
                for: .azuresql),
        ],
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("az account get-access-token --resource \(word: .resource) --query expiresOn -o tsv"),
        ],
        next: ["the cloud in the configuration", "what the application's SDK asks for: the scope is the resource and /.default"])

    static let tokenExpired = CauseRow(
        .token, retry: .yes,
        means: "The token had ended when the server looked at it.",
        hint: "A stale cache or a wrong clock, not a fault of the database. Sessions that are open live on.",
        remedies: [.look("agent token \(word: .identity)"), .look("timedatectl; chronyc tracking")],
        next: ["age of the token against its lifetime", "clock skew: agent diagnose"])

    static let tokenNotYetValid = CauseRow(
        .token, retry: .yes,
        means: "The token begins in the future for the one that checks it.",
        hint: "A clock is minutes off: Entra dates tokens a few minutes back, so a future start means real skew.",
        remedies: [.look("timedatectl; chronyc tracking"), .repair("chronyc makestep")],
        next: ["the clock of the database against this host's: agent diagnose"])

    static let tokenWrongTenant = CauseRow(
        .token, retry: .no,
        means: "The token comes from another tenant than the server's.",
        hint: "A managed identity gets tokens of its own tenant only: either the server or the identity belongs elsewhere.",
        hints: [
            .only(
                """
                A managed identity gets tokens of its own tenant only: either the server or the identity belongs elsewhere. A server without \
                Entra administrator says the same.
                """, for: .azuresql)
        ],
        remedies: [
            .look("az account show --query tenantId -o tsv"),
            .look("az sql server ad-admin list -g \(word: .resourceGroup) -s \(word: .server) -o table  # empty: none", for: .azuresql),
            .look("az account get-access-token --tenant \(word: .tenant) --resource \(word: .resource) --query tenant -o tsv"),
            .look("agent token \(word: .identity)"),
        ],
        next: ["whether the subscription was moved between tenants", "the Entra administrator of the server"])

    static let tokenGroupsStale = CauseRow(
        .token, retry: .maybe,
        means: "The token does not carry the group that the login relies on.",
        hint:
            """
            Membership missing, or newer than the token: a managed identity's token is kept for up to 24 hours and cannot be \
            renewed early.
            """,
        remedies: [
            .look("az ad group member check --group \(word: .groupID) --member-id \(word: .objectID) --query value"),
            .look("agent token \(word: .identity)"),
            .widens("az ad group member add --group \(word: .groupID) --member-id \(word: .objectID)"),
            .repair(
                """
                SELECT * FROM pgaadauth_create_principal_with_oid(\(literal: .identityName), '\(guid: .objectID)', \
                'service', false, false);  -- as Entra administrator, in database postgres
                """,
                for: .postgresql),
        ],
        next: ["when the token was issued against when the membership began", "more than 200 groups: the token leaves them out"])

    static let tokenTooLarge = CauseRow(
        .token, retry: .no,
        means: "The token is longer than something on the way takes.",
        hint: "Many groups make a token long: go to port 5432 instead of PgBouncer, or use an identity with few groups.",
        hints: [
            .only("Many groups make a token long: use an identity with few groups.", for: .mysql),
            .only(
                "Many groups make a token long: Azure SQL refuses who is in more than 2048. Use an identity with few groups.",
                for: .azuresql),
        ],
        remedies: [
            .look("agent token \(word: .identity)"),
            .look("az ad sp show --id \(word: .clientID) --query id -o tsv"),
        ],
        next: ["length of the token, as agent token prints it", .only("port of the target: 6432 is PgBouncer", for: .postgresql)])
}
