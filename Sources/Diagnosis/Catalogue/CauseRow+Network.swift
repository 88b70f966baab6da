// Rows of the groups config, dns and tcp: before any byte of TLS.

extension CauseRow {
    // MARK: config

    static let configInvalid = CauseRow(
        .config, retry: .no,
        means: "The probe could not start because of the agent's own settings or image; the database was not asked.",
        hint: "Mend the setting or file named here first; nothing is known about the database until then.",
        remedies: [.look("agent config check")],
        next: [
            "the first lines of the agent's log", "whether the image brings ca-certificates",
            "the port and host as they were read: agent config check",
        ])

    static let loginNameInvalid = CauseRow(
        .config, retry: .no,
        means: "The configured login name cannot work as it is written.",
        hint: "Write the display name of the identity (or the UPN of a user) exactly as Entra has it, without @server behind it.",
        remedies: [
            .look("agent config check"),
            .look("az ad sp show --id \(word: .clientID) --query displayName -o tsv"),
            .repair("CREATE AADUSER '<long name>' AS '<alias of at most 32 characters>';  -- as Entra administrator", for: .mysql),
            .repair(
                """
                SELECT * FROM pgaadauth_create_principal_with_oid('<short role name>', '\(guid: .objectID)', 'service', \
                false, false);  -- as Entra administrator, in database postgres
                """,
                for: .postgresql),
        ],
        next: [
            .only("names longer than 63 bytes are cut by PostgreSQL", for: .postgresql),
            .only("names longer than 32 characters need an alias in MySQL", for: .mysql),
            "blanks at either end", "login_principal_unknown, when the name is right",
        ])

    // MARK: dns

    static let dnsNotFound = CauseRow(
        .dns, retry: .no,
        means: "The resolver says that the server's name does not exist, or has no address.",
        hint: "Misspelt name, deleted server, or a private DNS zone that this network cannot see.",
        remedies: [
            .look("nslookup \(word: .host)"),
            .look("az network private-dns link vnet list -g \(word: .resourceGroup) -z \(word: .zone) -o table"),
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
            .repair(
                """
                az network private-dns link vnet create -g \(word: .resourceGroup) -z \(word: .zone) -n agent-link -v \
                \(word: .network) -e false
                """
            ),
        ],
        next: [
            "whether the name with privatelink. in it resolves", "whether a custom DNS server forwards to 168.63.129.16",
            "a server inside a virtual network exists in its private zone only",
        ])

    static let dnsResolverError = CauseRow(
        .dns, retry: .yes,
        means: "The resolver failed or did not answer in time, so nothing is known about the name.",
        hint: "DNS itself is ill seen from here; every target of this host is likely to be hit.",
        remedies: [
            .look("cat /etc/resolv.conf; nslookup \(word: .host)"),
            .look("az network vnet show -g \(word: .resourceGroup) -n \(word: .network) --query dhcpOptions.dnsServers"),
        ],
        next: [
            "another name from the same host", "network rules on UDP and TCP 53 towards the DNS server",
            "CoreDNS or the node-local cache on Kubernetes",
        ])

    static let dnsPublicForPrivate = CauseRow(
        .dns, retry: .no,
        means: "The name leads to a public address although a private endpoint exists for it.",
        hint:
            """
            This network does not see the private zone: link it, or find the hosts entry or public resolver in the way. Do \
            not open the firewall.
            """,
        remedies: [
            .look("nslookup \(word: .host)"),
            .look("az network private-dns link vnet list -g \(word: .resourceGroup) -z \(word: .zone) -o table"),
            .repair(
                """
                az network private-dns link vnet create -g \(word: .resourceGroup) -z \(word: .zone) -n agent-link -v \
                \(word: .network) -e false
                """
            ),
        ],
        next: [
            "the DNS servers of the virtual network", "the record of the endpoint in its zone group",
            "conditional forwarders, where DNS runs on premises",
        ])

    // MARK: tcp

    static let tcpTimeout = CauseRow(
        .tcp, retry: .maybe,
        means: "Nothing answered the connection attempt: packets are dropped on the way or at the server.",
        hint: "A network rule, a firewall, a route to an appliance, the service's own firewall, or a stopped server swallows the packets.",
        remedies: [
            .look(
                """
                az network watcher test-ip-flow -g \(word: .resourceGroup) --vm \(word: .compute) --direction Outbound \
                --protocol TCP --local <own address>:50000 --remote \(word: .address):\(word: .port)
                """
            ),
            .look(
                """
                az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query \
                \"[state,network.publicNetworkAccess]\" -o tsv
                """,
                for: .postgresql),
            .look("az mysql flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .mysql),
            .look("az sql server show -g \(word: .resourceGroup) -n \(word: .server) --query publicNetworkAccess -o tsv", for: .azuresql),
            .widens(
                """
                az network nsg rule create -g \(word: .resourceGroup) --nsg-name \(word: .securityGroup) -n \
                allow-db-outbound --priority 200 --direction Outbound --access Allow --protocol Tcp \
                --destination-address-prefixes \(word: .address) --destination-port-ranges \(word: .port)
                """
            ),
        ],
        next: [
            "whether the address is the expected (private) one", "effective routes of the network interface",
            "only now and then, public addresses only, more under load: outbound ports of the NAT run out",
        ])

    static let tcpRefused = CauseRow(
        .tcp, retry: .maybe,
        means: "The host is reachable and refuses the connection: nothing listens on that port, or a firewall rejects it.",
        hint: "Server stopped or restarting, wrong port (6432 needs PgBouncer switched on), or a rejecting firewall.",
        hints: [
            .only("Server stopped or restarting, wrong port, or a rejecting firewall.", for: .mysql),
            .only(
                "Azure SQL's gateways always listen on 1433: wrong port or address, or something on the way rejects the connection.",
                for: .azuresql),
        ],
        remedies: [
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
            .look("az mysql flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .mysql),
            .look(
                """
                az sql db show -g \(word: .resourceGroup) -s \(word: .server) -n \(word: .database) --query status -o tsv
                """, for: .azuresql),
            .repair("az postgres flexible-server start -g \(word: .resourceGroup) -n \(word: .server)", for: .postgresql),
            .repair("az mysql flexible-server start -g \(word: .resourceGroup) -n \(word: .server)", for: .mysql),
        ],
        next: ["the port in the configuration", "another address of the same name", "a maintenance window or failover at this time"])

    static let tcpUnreachable = CauseRow(
        .tcp, retry: .maybe,
        means: "There is no route to the address, or something on the way rejected the packet.",
        hint: "Routing, peering, VPN, an IPv6 address on an IPv4-only host, or a local egress policy.",
        remedies: [
            .look("ip route get \(word: .address)"),
            .look("az network vnet peering list -g \(word: .resourceGroup) --vnet-name \(word: .network) -o table"),
        ],
        next: [
            "which address family was tried", "effective routes of the network interface",
            "NetworkPolicy or SELinux, when the error is a refused permission",
        ])

    static let tcpReset = CauseRow(
        .tcp, retry: .yes,
        means: "The connection was accepted and torn down before the database said anything.",
        hint: "A gateway or middlebox ended it: failover, inspection device, or a load balancer with nothing healthy behind it.",
        remedies: [
            .look("agent history \(word: .check)"),
            .look("az postgres flexible-server show -g \(word: .resourceGroup) -n \(word: .server) --query state -o tsv", for: .postgresql),
        ],
        next: [
            "the same from another network: if only this one fails, a middlebox is in the path",
            "health of the server, when it fails from everywhere",
        ])

    static let firewallDenied = CauseRow(
        .tcp, retry: .no,
        means: "The service's firewall names this client as not allowed.",
        hint:
            """
            Compare the address in the message with the egress address you expect; then allow it, or go through the private \
            endpoint. A change takes up to five minutes.
            """,
        hints: [
            .only(
                """
                If the message names an address, compare it with the egress address you expect; if it names none, the subnet has a service \
                endpoint and the server no rule for it. Allow it, or go through the private endpoint; up to five minutes until it counts.
                """, for: .azuresql)
        ],
        remedies: [
            .look(
                "az postgres flexible-server firewall-rule list -g \(word: .resourceGroup) --server-name \(word: .server) -o table",
                for: .postgresql),
            .look("az mysql flexible-server firewall-rule list -g \(word: .resourceGroup) -n \(word: .server) -o table", for: .mysql),
            .look("az sql server firewall-rule list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .azuresql),
            .look("az sql server vnet-rule list -g \(word: .resourceGroup) -s \(word: .server) -o table", for: .azuresql).notKnowing(
                .clientIP),
            .widens(
                """
                az postgres flexible-server firewall-rule create -g \(word: .resourceGroup) --server-name \(word: .server) \
                --name allow-agent --start-ip-address \(word: .clientIP) --end-ip-address \(word: .clientIP)
                """,
                for: .postgresql),
            .widens(
                """
                az mysql flexible-server firewall-rule create -g \(word: .resourceGroup) -n \(word: .server) --rule-name \
                allow-agent --start-ip-address \(word: .clientIP) --end-ip-address \(word: .clientIP)
                """,
                for: .mysql),
            .widens(
                """
                az sql server firewall-rule create -g \(word: .resourceGroup) -s \(word: .server) -n allow-agent \
                --start-ip-address \(word: .clientIP) --end-ip-address \(word: .clientIP)
                """,
                for: .azuresql
            ).knowing(.clientIP),
            .widens(
                """
                az sql server vnet-rule create -g \(word: .resourceGroup) -s \(word: .server) -n allow-agent --vnet-name \
                \(word: .network) --subnet \(word: .subnet)
                """,
                for: .azuresql
            ).notKnowing(.clientIP),
        ],
        next: ["whether the name should have led to a private address", "whether the NAT's public address changed since it last worked"])

    static let publicAccessDisabled = CauseRow(
        .tcp, retry: .no,
        means: "The server takes private endpoints only, and was reached by its public way.",
        hint: "Go through the private endpoint; from here its name probably leads to the public gateway.",
        remedies: [
            .look("getent ahosts \(word: .host)"),
            .look("az sql server show -g \(word: .resourceGroup) -n \(word: .server) --query publicNetworkAccess -o tsv", for: .azuresql),
            .widens(
                "az sql server update -g \(word: .resourceGroup) -n \(word: .server) --set publicNetworkAccess=Enabled", for: .azuresql),
        ],
        next: ["the private DNS zone and its link to this network", "whether the connection of the private endpoint is approved"])

    static let redirectBlocked = CauseRow(
        .tcp, retry: .no,
        means: "The gateway answers and sends the client to another server, which cannot be reached.",
        hint: "The connection policy Redirect needs outbound ports 11000 to 11999 to all of the region's Azure SQL addresses.",
        remedies: [
            .look("az sql server conn-policy show -g \(word: .resourceGroup) -s \(word: .server)", for: .azuresql),
            .look("az network nsg rule list -g \(word: .resourceGroup) --nsg-name \(word: .securityGroup) -o table"),
            .repair("az sql server conn-policy update -g \(word: .resourceGroup) -s \(word: .server) -t Proxy", for: .azuresql),
            .widens(
                """
                az network nsg rule create -g \(word: .resourceGroup) --nsg-name \(word: .securityGroup) -n allow-sql-redirect \
                --priority 210 --direction Outbound --access Allow --protocol Tcp --destination-address-prefixes Sql \
                --destination-port-ranges 1433 11000-11999
                """, for: .azuresql),
        ],
        next: ["the same with the policy Proxy", "whether a private endpoint's network lets the range of ports through"])
}
