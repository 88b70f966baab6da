// Every number, text and state of the sheet, and the cause it has to lead to.
import Testing

@testable import Diagnosis

@Suite struct AzureSQLClassifierTests {
    private static func context(
        claims: TokenClaims? = Fixture.claims(audience: "https://database.windows.net/"), prediction: Failure? = nil,
        isServerless: Bool = false, resumingFor: Duration? = nil, idleFor: Duration? = nil, tenant: String? = nil, lastGood: Facts? = nil
    ) -> AzureSQLContext {
        AzureSQLContext(
            host: "billing.database.windows.net", database: "billing", sentToken: true, isServerless: isServerless,
            resumingFor: resumingFor, idleFor: idleFor, claims: claims, now: noon, prediction: prediction, requiredTenant: tenant,
            lastGood: lastGood)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var number: Int
        var state: Int
        var text: String
        var cause: Cause
        var phase: Phase
        var testDescription: String { "\(number)/\(state) \(phase.rawValue)" }

        init(_ number: Int, _ text: String, _ cause: Cause, state: Int = 1, during phase: Phase = .login) {
            (self.number, self.state, self.text, self.cause, self.phase) = (number, state, text, cause, phase)
        }
    }

    private static let refused = "Login failed for user '<token-identified principal>'."

    /// Source: Microsoft Learn, "Troubleshoot common connection issues to Azure SQL Database" and "Database Engine events and errors".
    static let rows: [Row] = [
        Row(
            40615,
            "Cannot open server 'billing' requested by the login. Client with IP address '20.1.2.3' is not allowed to access the server.",
            .firewallDenied),
        Row(40914, "Cannot open server 'billing' requested by the login. Client is not allowed to access the server.", .firewallDenied),
        Row(47073, "The public network interface on this server is not accessible.", .publicAccessDisabled, state: 172),
        Row(47072, "Login failed with invalid TLS version", .tlsProtocolMismatch),
        Row(40532, "Cannot open server \"10.0.0.4\" requested by the login. The login failed.", .databaseUnknown),
        Row(40635, "Client with IP address \"20.1.2.3\" is temporarily blocked.", .clientBlocked),
        Row(40892, "Cannot connect to database when it is paused.", .clientBlocked),
        Row(40624, "Operation is not allowed because server 'billing' is disabled.", .serverStopped),
        Row(42119, "This database has reached the monthly free amount allowance for the month of May.", .serverStopped),
        Row(40613, "Database 'billing' on server 'billing' is not currently available.", .serverUnavailable),
        Row(40613, "Database 'billing' on server 'billing' is not currently available.", .connectionLost, during: .query),
        Row(40197, "The service has encountered an error processing your request. Error code 40143.", .serverUnavailable),
        Row(40197, "The service has encountered an error processing your request.", .connectionLost, during: .query),
        Row(40501, "The service is currently busy. Retry the request after 10 seconds.", .serviceThrottled),
        Row(42108, "Can not connect to the SQL pool since it is paused.", .serverStopped),
        Row(42109, "The SQL pool is warming up. Please try again.", .databaseResuming),
        Row(49918, "Cannot process request. Not enough resources to process request.", .serviceThrottled),
        Row(4221, "Login to read-secondary failed due to long wait.", .serverUnavailable),
        Row(10928, "Resource ID: 1. The request limit for the database is 90 and has been reached.", .serviceThrottled),
        Row(10928, "Resource ID: 2. The session limit for the database is 900 and has been reached.", .connectionLimit),
        Row(10929, "Resource ID: 1. The server is currently too busy.", .serviceThrottled),
        Row(10929, "Resource ID : 2. The session minimum guarantee is 0, maximum limit is 300.", .connectionLimit),
        Row(10936, "Resource ID : 1. The request limit for the elastic pool is 90.", .serviceThrottled),
        Row(978, "The target database is in an availability group and is accessible for read only.", .databaseReadOnly, during: .query),
        Row(15247, "User does not have permission to perform this action.", .privilegeMissing, during: .query),
        Row(3617, "The statement was cancelled.", .queryTimeout, during: .query),
        Row(-2, "Timeout expired.", .queryTimeout, during: .query),
        Row(596, "Cannot continue the execution because the session is in the kill state.", .connectionLost, during: .query),
        Row(18452, "Login failed. The login is from an untrusted domain.", .loginRefused),
        Row(40544, "The database 'billing' has reached its size quota.", .databaseReadOnly, during: .query),
        Row(40549, "Session is terminated because you have a long running transaction.", .connectionLost, during: .query),
        Row(18456, refused, .loginPrincipalUnknown),
        Row(18456, refused + " Token is expired.", .tokenExpired, state: 233),
        Row(18456, "Anmeldung fehlgeschlagen.", .tokenExpired, state: 233),
        Row(18456, refused + " The server is not currently configured to accept this token.", .tokenWrongTenant, state: 235),
        Row(18456, refused + " Incorrect or invalid token.", .loginRefused),
        Row(18456, "Login failed for user ''.", .probeInternal),
        Row(18456, "Login failed for user 'NT AUTHORITY\\ANONYMOUS LOGON'.", .probeInternal),
        Row(
            18456, "Login failed for user 'x'. Reason: Azure Active Directory only authentication is enabled.", .nativeLoginDisabled),
        Row(18456, "Anmeldung fehlgeschlagen.", .databaseUnknown, state: 38),
        Row(18456, "Anmeldung fehlgeschlagen.", .loginRefused, state: 105),
        Row(18456, "Anmeldung fehlgeschlagen.", .loginRefused, state: 60),
        Row(40697, "Login failed for user 'x'.", .loginPrincipalUnknown),
        Row(4060, "Cannot open database \"billing\" requested by the login. The login failed.", .databaseUnknown),
        Row(4064, "Cannot open user default database. Login failed.", .databaseAccessDenied),
        Row(916, "The server principal \"x\" is not able to access the database \"billing\".", .databaseAccessDenied),
        Row(18470, "Login failed for user 'x'. Reason: The account is disabled.", .loginDisabled),
        Row(40607, "Windows logins are not supported in this version of SQL Server.", .authMethodUnexpected),
        Row(33147, "Federated Authentication Feature data used in login record is structurally invalid.", .probeInternal),
        Row(33155, "A disconnect event was raised when server is waiting for Federated Authentication token.", .probeInternal),
        Row(37396, "The token is expired.", .tokenExpired, during: .query),
        Row(229, "The SELECT permission was denied on the object 'x'.", .privilegeMissing, during: .query),
        Row(300, "VIEW DATABASE STATE permission was denied.", .privilegeMissing, during: .privileges),
        Row(1222, "Lock request time out period exceeded.", .queryTimeout, during: .query),
        Row(208, "Invalid object name 'x'.", .queryFailed, during: .query),
        Row(99_999, "Something new.", .unclassified),
        Row(99_999, "Client with IP address '20.1.2.3' is not allowed to access the server.", .firewallDenied),
    ]

    @Test("Every number leads to its cause, and the number, state and text are the first evidence", arguments: rows)
    func causes(row: Row) {
        let error = AzureSQLError(number: row.number, state: row.state, level: 16, text: row.text)
        let failure = Classifier.azureSQL([error], phase: row.phase, context: Self.context())
        #expect(failure.cause == row.cause, "\(failure)")
        #expect(failure.phase == row.phase)
        #expect(failure.evidence.first?.kind == .tds)
        #expect(failure.evidence.first?.code == String(row.number))
        #expect(failure.evidence.first?.text.hasPrefix("state \(row.state), class 16: ") == true)
    }

    @Test("A limit that is reached is told from a guarantee that is used up on a busy server")
    func guarantee() {
        func detail(_ number: Int, _ text: String) -> String {
            Classifier.azureSQL(
                [AzureSQLError(number: number, state: 1, level: 16, text: text)], phase: .login, context: Self.context()
            ).detail ?? ""
        }
        #expect(detail(10928, "Resource ID: 1. The request limit for the database is 90.").contains("limit of workers"))
        let busy = "The minimum guarantee is 0, maximum limit is 30 and the server is currently too busy."
        for (id, what) in [(1, "workers"), (2, "sessions")] {
            #expect(
                detail(10929, "Resource ID: \(id). \(busy)")
                    == "The database uses all \(what) that it is guaranteed, and the server is too busy to give it more.")
        }
    }

    @Test("The address that a firewall names fills the remedy")
    func address() {
        let text = "Client with IP address '20.1.2.3' is not allowed to access the server."
        let failure = Classifier.azureSQL([AzureSQLError(number: 40615, text: text)], phase: .login, context: Self.context())
        #expect(failure.values["client_ip"] == "20.1.2.3")
        #expect(failure.detail?.contains("20.1.2.3") == true)
    }

    @Test("Of several errors the most specific one decides, wherever it stands, and the others stay as evidence")
    func several() {
        let database = AzureSQLError(number: 4060, level: 11, text: "Cannot open database")
        let refused = AzureSQLError(number: 18456, text: Self.refused)
        let firewall = AzureSQLError(number: 40615, text: "Client with IP address '20.1.2.3' is not allowed")
        for errors in [[database, refused], [refused, database]] {
            let failure = Classifier.azureSQL(errors, phase: .login, context: Self.context())
            #expect(failure.cause == .databaseUnknown)
            #expect(failure.evidence.map(\.code) == ["4060", "18456"])
        }
        let all = Classifier.azureSQL([refused, AzureSQLError(number: 40532, text: "x"), firewall], phase: .login, context: Self.context())
        #expect(all.cause == .firewallDenied)
        for (first, second, winner) in [(40197, 40613, 40613), (40613, 4060, 40613), (10936, 18456, 10936), (10928, 4060, 10928)] {
            for numbers in [[first, second], [second, first]] {
                let told = Classifier.mostTelling(numbers.map { AzureSQLError(number: $0, level: 16, text: "x") })
                #expect(told?.number == winner, "\(numbers)")
            }
        }
        #expect(Classifier.azureSQL([], phase: .login, context: Self.context()).cause == .protocolViolation)
    }

    @Test("A notice decides only where there is no error")
    func notices() {
        let notice = AzureSQLError(number: 40608, level: 10, text: "This session has been assigned a tracing ID.")
        let refused = AzureSQLError(number: 18456, text: Self.refused)
        #expect(Classifier.azureSQL([notice, refused], phase: .login, context: Self.context()).cause == .loginPrincipalUnknown)
        #expect(Classifier.azureSQL([notice], phase: .login, context: Self.context()).cause == .unclassified)
    }

    @Test("A serverless database that is not available is waking up, for two minutes")
    func resuming() {
        let error = AzureSQLError(number: 40613, level: 17, text: "Database 'billing' on server 'billing' is not currently available.")
        func cause(_ isServerless: Bool, _ since: Duration?, idle: Duration? = nil) -> Cause {
            let context = Self.context(isServerless: isServerless, resumingFor: since, idleFor: idle)
            return Classifier.azureSQL([error], phase: .login, context: context).cause
        }
        #expect(cause(true, nil) == .databaseResuming)
        #expect(cause(true, .seconds(119)) == .databaseResuming)
        #expect(cause(true, .seconds(121)) == .serverUnavailable)
        #expect(cause(false, nil) == .serverUnavailable)
        // It cannot have paused within a quarter of an hour of a login that worked.
        #expect(cause(true, nil, idle: .seconds(899)) == .serverUnavailable)
        #expect(cause(true, nil, idle: .seconds(900)) == .databaseResuming)
    }

    @Test("The tenant that the server names tells a foreign token from a server without an Entra administrator")
    func tenant() {
        let error = AzureSQLError(
            number: 18456, state: 235, text: Self.refused + " The server is not currently configured to accept this token.")
        let other = "00000000-0000-0000-0000-000000000001"
        let foreign = Classifier.azureSQL([error], phase: .login, context: Self.context(tenant: other))
        #expect(foreign.cause == .tokenWrongTenant && foreign.certainty == .likely && foreign.detail?.contains(other) == true)
        // What is no id of a tenant says nothing about one.
        for word in ["common", "organizations", "contoso.example"] {
            let vague = Classifier.azureSQL([error], phase: .login, context: Self.context(tenant: word))
            #expect(vague.cause == .tokenWrongTenant && vague.values["required_tenant"] == nil, "\(word)")
        }
        let plain = AzureSQLError(number: 18456, text: Self.refused)
        #expect(Classifier.azureSQL([plain], phase: .login, context: Self.context(tenant: other)).cause == .tokenWrongTenant)
        #expect(foreign.values["required_tenant"] == other)
        let own = Classifier.azureSQL([error], phase: .login, context: Self.context(tenant: Fixture.tenant.uppercased()))
        #expect(own.cause == .entraAuthDisabled && own.certainty == .likely)
    }

    @Test("An identity that has other ids than when a login last worked was made anew")
    func recreated() {
        let error = AzureSQLError(number: 18456, text: Self.refused)
        var before = Facts()
        (before.objectID, before.appID) = (Fixture.objectID.uppercased(), Fixture.appID)
        #expect(Classifier.azureSQL([error], phase: .login, context: Self.context(lastGood: before)).cause == .loginPrincipalUnknown)
        before.appID = "00000000-0000-0000-0000-000000000002"
        let failure = Classifier.azureSQL([error], phase: .login, context: Self.context(lastGood: before))
        #expect(failure.cause == .loginIdentityRecreated && failure.detail?.contains("000000000002") == true, "\(failure)")
    }

    @Test("A text that was pasted does not say whether a token was sent; of our own login it is known")
    func unsent() {
        let error = AzureSQLError(number: 18456, text: "Login failed for user ''.")
        let pasted = AzureSQLContext(host: "", database: "", sentToken: false, now: noon)
        #expect(Classifier.azureSQL([error], phase: .login, context: pasted).cause == .tokenNotSent)
    }

    @Test("What the claims foretold decides where the server says too little")
    func prediction() {
        let expired = Fixture.claims(audience: "https://database.windows.net/", expires: noon + .seconds(-60))
        let error = AzureSQLError(number: 18456, text: Self.refused + " Incorrect or invalid token.")
        #expect(Classifier.azureSQL([error], phase: .login, context: Self.context(claims: expired)).cause == .tokenExpired)
        #expect(Classifier.azureSQL([error], phase: .login, context: Self.context(claims: nil)).cause == .tokenWrongAudience)
        let other = Failure(.identityClientIDWrong, during: .token, certainty: .likely)
        let plain = AzureSQLError(number: 18456, text: Self.refused)
        #expect(Classifier.azureSQL([plain], phase: .login, context: Self.context(prediction: other)).cause == .identityClientIDWrong)
        let crowded = Fixture.claims(audience: nil, groupOverage: true)
        #expect(Classifier.azureSQL([plain], phase: .login, context: Self.context(claims: crowded)).cause == .tokenGroupsStale)
    }
}
