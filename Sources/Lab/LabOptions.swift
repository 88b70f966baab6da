// What a lab is asked to be: which parts run and what they answer with.
package import Diagnosis

/// The wishes of whoever starts a lab. The defaults give a healthy small Azure with two PostgreSQL servers.
package struct LabOptions: Sendable {
    /// Where the scratch folder is made; the system's temporary folder when nil.
    package var parentDirectory: String?
    package var targets: [LabTarget] = LabTarget.standard
    package var principals: [Principal] = Principal.standard
    /// Which identity endpoint the environment of the lab points to. Both are always served.
    package var identityKind: IdentityKind = .appService
    /// Whether a real PostgreSQL is started for targets that want one. Without it they still resolve, and connections end at the proxy.
    package var postgres = true
    /// The same for MariaDB, which stands in for Azure Database for MySQL.
    package var mysql = true
    /// The same for the lab's own server of Azure SQL.
    package var azureSQL = true
    package var tokenCheck: TokenCheck = .automatic
    /// Whether clients reach the real servers directly instead of through the fault proxy: for figures, where the proxy would be measured too.
    package var direct = false
    /// `max_connections` of each real server.
    package var maxConnections = 100
    /// How long a managed-identity token lives. **Unit**: seconds. Source: Entra documentation, managed identities: about 24 hours.
    package var tokenLifetime = 86_400
    /// The wanted length of an issued token; filler claims make up the difference. **Unit**: bytes.
    package var tokenSize = 1_700
    /// How long the platform answers with the same token; zero switches its cache off. **Unit**: seconds.
    package var platformCacheWindow = 43_200

    package init() {}

    package enum IdentityKind: String, Sendable, CaseIterable { case appService, imds }

    /// How the real PostgreSQL decides over a token. MariaDB always asks the lab.
    package enum TokenCheck: String, Sendable, CaseIterable {
        /// `pam` as root, otherwise `password`.
        case automatic
        /// The server hands user and token to the lab through PAM: signature, audience, times and principal are checked. Needs root.
        case pam
        /// The issued token is the role's password. The server refuses every other token, but cannot see audience or expiry
        /// of the right one.
        case password
    }
}

/// One database server of the lab as a client sees it: a public name, and a database and role behind it.
package struct LabTarget: Sendable, Hashable {
    package var name: String
    package var engine: Engine
    package var database: String
    package var role: String
    /// Names of principals, in the agent's configuration the identities of the target.
    package var identities: [String]
    /// Whether connections are never answered (dropped like packets at a firewall).
    package var blackHole: Bool
    /// Whether the target shares the proxy of the first one of its engine: for fleets of many names.
    package var shared: Bool
    /// Whether the name goes over `privatelink` instead of the server's own alias.
    package var privateLink: Bool
    /// Whether an Azure SQL database is of a tier that may sleep.
    package var isServerless: Bool
    /// After how long without a session a serverless database pauses by itself; nil for never.
    package var pausesAfter: Duration?
    /// How long it takes to resume then.
    package var resumesIn = Duration.seconds(2)

    package init(
        name: String, engine: Engine = .postgresql, database: String, role: String, identities: [String] = ["app"],
        blackHole: Bool = false, shared: Bool = false, privateLink: Bool = false, isServerless: Bool = false, pausesAfter: Duration? = nil
    ) {
        self.name = name
        self.engine = engine
        self.database = database
        self.role = role
        self.identities = identities
        self.blackHole = blackHole
        self.shared = shared
        self.privateLink = privateLink
        self.isServerless = isServerless || pausesAfter != nil
        self.pausesAfter = pausesAfter
    }

    package var host: String { "\(name).\(Self.suffix(of: engine))" }

    /// What the public names of an engine's servers end in.
    package static func suffix(of engine: Engine) -> String {
        switch engine {
        case .postgresql: "postgres.database.azure.com"
        case .mysql: "mysql.database.azure.com"
        case .azuresql: "database.windows.net"
        }
    }

    package static let standard = [
        LabTarget(name: "orders", database: "orders", role: "aad_orders"),
        LabTarget(name: "billing", database: "billing", role: "aad_billing", privateLink: true),
    ]

    /// One MySQL server, on MariaDB.
    package static let standardMySQL = [LabTarget(name: "stock", engine: .mysql, database: "stock", role: "aad_stock")]

    /// One Azure SQL database, on the lab's own server. Logins by token name no user.
    package static let standardAzureSQL = [LabTarget(name: "ledger", engine: .azuresql, database: "ledger", role: "app", privateLink: true)]

    /// What `agent-lab up` starts: every engine that the agent knows.
    package static let everyEngine = standard + standardMySQL + standardAzureSQL

    /// What a lab of one engine consists of.
    package static func standard(of engine: Engine) -> [LabTarget] {
        switch engine {
        case .postgresql: standard
        case .mysql: standardMySQL
        case .azuresql: standardAzureSQL
        }
    }

    /// `count` targets on one database, the last `blackHoles` of which never answer.
    package static func fleet(count: Int, blackHoles: Int = 0, engine: Engine = .postgresql) -> [LabTarget] {
        let pattern = standard(of: engine)[0]
        return (0..<count).map { index in
            let digits = String(index + 1)
            return LabTarget(
                name: "t" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits, engine: engine, database: pattern.database,
                role: pattern.role,
                blackHole: index >= count - blackHoles, shared: true)
        }
    }
}
