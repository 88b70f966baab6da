// Rows of the group tls: who answers, and whether it can be trusted with a token.

extension CauseRow {
    static let tlsNotNegotiated = CauseRow(
        .tls, retry: .no,
        means: "One side wants TLS and the other does not offer or use it.",
        hint:
            """
            Azure always offers TLS: if the peer did not, take it for a proxy or an interception until shown otherwise. The \
            token was not sent.
            """,
        remedies: [
            .look("openssl s_client -starttls postgres -connect \(word: .host):\(word: .port) -brief", for: .postgresql),
            .look(
                """
                az postgres flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n \
                require_secure_transport --query value
                """,
                for: .postgresql),
            .look("openssl s_client -starttls mysql -connect \(word: .host):\(word: .port) -brief", for: .mysql),
            .look("nslookup \(word: .host)"),
        ],
        next: [
            "what answers at that address: peer_not_database",
            .only("a proxy or pooler between agent and server", for: .postgresql), .only("a proxy between agent and server", for: .mysql),
            .only("a proxy between agent and server", for: .azuresql),
        ])

    static let tlsUntrustedIssuer = CauseRow(
        .tls, retry: .no,
        means: "The server's certificate does not lead to an authority that is trusted here.",
        hint: "Old or missing CA bundle, a pin on an intermediate, or TLS inspection on the way if the issuer is a stranger.",
        remedies: [
            .look("openssl s_client -starttls postgres -connect \(word: .host):\(word: .port) -showcerts", for: .postgresql),
            .look("openssl s_client -starttls mysql -connect \(word: .host):\(word: .port) -showcerts", for: .mysql),
            .look("openssl s_client -alpn tds/8.0 -connect \(word: .host):\(word: .port) -showcerts", for: .azuresql),
            .look("nslookup \(word: .host)"),
            .repair("apt-get update && apt-get install -y --only-upgrade ca-certificates"),
        ],
        next: [
            "the issuer that was seen: Azure's chains end at DigiCert or Microsoft roots", "tls.ca_file of the target",
            "the same certificate seen from another network",
        ])

    static let tlsCertValidity = CauseRow(
        .tls, retry: .no,
        means: "The certificate has ended or has not begun, or the local clock is wrong.",
        hint: "Azure renews its certificates early: suspect this host's clock first, a proxy second.",
        remedies: [.look("timedatectl; chronyc tracking"), .repair("chronyc makestep")],
        next: [
            "the dates of the certificate against the time of another machine", "the issuer: a proxy may present a certificate of its own",
        ])

    static let tlsNameMismatch = CauseRow(
        .tls, retry: .no,
        means: "The certificate is for another name than the one that was asked for.",
        hint: "Connect by the server's official full name, not by address, alias, own zone or privatelink name.",
        remedies: [
            .look("openssl s_client -starttls postgres -connect \(word: .host):\(word: .port) -brief", for: .postgresql),
            .look("openssl s_client -starttls mysql -connect \(word: .host):\(word: .port) -brief", for: .mysql),
            .look("openssl s_client -alpn tds/8.0 -connect \(word: .host):\(word: .port) -brief", for: .azuresql),
            .look("nslookup \(word: .host)"), .look("grep -n database /etc/hosts"),
        ],
        next: [
            "the names in the certificate: they show which server answered", "a record under the official name in your own private zone",
        ])

    static let tlsProtocolMismatch = CauseRow(
        .tls, retry: .no,
        means: "The two sides have no TLS version or cipher in common.",
        hint: "The server's minimum was raised, or a crypto policy of this host is too strict. TLS 1.2 is the least the agent speaks.",
        remedies: [
            .look(
                """
                az postgres flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n \
                ssl_min_protocol_version --query value
                """,
                for: .postgresql),
            .look(
                "az mysql flexible-server parameter show -g \(word: .resourceGroup) -s \(word: .server) -n tls_version --query value",
                for: .mysql),
            .look("az sql server show -g \(word: .resourceGroup) -n \(word: .server) --query minimalTlsVersion -o tsv", for: .azuresql),
            .repair(
                """
                az postgres flexible-server parameter set -g \(word: .resourceGroup) -s \(word: .server) -n \
                ssl_min_protocol_version -v TLSv1.2
                """,
                for: .postgresql),
            .repair(
                """
                az mysql flexible-server parameter set -g \(word: .resourceGroup) -s \(word: .server) -n tls_version \
                -v TLSv1.2,TLSv1.3  # takes a restart
                """,
                for: .mysql),
            .widens(
                "az sql server update -g \(word: .resourceGroup) -n \(word: .server) --minimal-tls-version 1.2  # lets TLS 1.2 in again",
                for: .azuresql),
        ],
        next: ["FIPS mode or crypto policy of the agent's host", "a middlebox that ends TLS"])

    static let tlsHandshakeAborted = CauseRow(
        .tls, retry: .yes,
        means: "TLS began and the peer closed the connection or fell silent.",
        hint:
            """
            Overloaded or failing-over gateway when it comes and goes; a firewall that does not know the database's protocol \
            when it stays.
            """,
        remedies: [
            .look("agent history \(word: .check)"),
            .look("openssl s_client -starttls postgres -connect \(word: .host):\(word: .port) -brief", for: .postgresql),
            .look("openssl s_client -starttls mysql -connect \(word: .host):\(word: .port) -brief", for: .mysql),
        ],
        next: ["the same from another network", "a packet capture: which side ends the connection"])

    static let peerNotDatabase = CauseRow(
        .tls, retry: .no,
        means: "Something that is not this kind of database answers on the port.",
        hint: "Wrong port or address, or a proxy or captive portal in the path.",
        remedies: [.look("nslookup \(word: .host)"), .look("curl -sv --max-time 5 telnet://\(word: .host):\(word: .port)")],
        next: ["the first bytes of the answer", "host and port of the target: agent config check"])
}
