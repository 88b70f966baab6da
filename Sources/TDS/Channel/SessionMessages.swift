// What this side says of itself on the way to a login.

extension Session.Settings {
    private static let version = Prelogin.Version(major: 1, minor: 0, build: 0)
    private static let library = "swift-tds"

    /// The first message, with an activity of its own.
    func prelogin() -> Prelogin {
        var generator = SystemRandomNumberGenerator()
        let activity = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
        return Prelogin(
            version: Self.version,
            // In strict mode the value means nothing; Microsoft's drivers say "not supported" there.
            encryption: options.encryption == .strict ? .notSupported : .on,
            trace: connectionID + activity + [1, 0, 0, 0])
    }

    /// The login that the plan asks for. It holds the token only where the plan says so.
    func login(_ plan: LoginPlan) -> LoginMessage {
        var login = LoginMessage()
        if options.encryption == .strict { login.tdsVersion = TDSVersion.v80 }
        login.packetSize = UInt32(PacketHeader.initialPacket)
        login.clientProgramVersion = 0x0100_0000
        login.hostName = String(decoding: options.hostName.utf16.prefix(60), as: UTF16.self)
        login.applicationName = options.applicationName
        login.serverName = host
        login.libraryName = Self.library
        login.database = database
        let federated: FederatedLogin =
            switch plan.method {
            case .token: .securityToken(token.bytes, nonce: plan.nonce, echo: plan.echo)
            // Whoever hangs up sends no login; should one be made all the same, it holds no token.
            case .askIssuer, .hangUp: .askFirst(workflow: FederatedLogin.managedIdentityWorkflow, echo: plan.echo)
            }
        login.features = [federated.request()]
        return login
    }
}
