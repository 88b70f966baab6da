// Who may come in by which method: the text of pg_hba.conf. The first line that matches decides.

extension PostgresServer {
    /// The client address that no line admits: a client outside the firewall.
    static func outside(_ block: LoopbackBlock) -> String { block.address(5) }
    /// The client address from which the server asks for SCRAM instead of a token.
    static func native(_ block: LoopbackBlock) -> String { block.address(6) }

    /// Roles of Entra principals are members of `entra_principals`; only they are asked for a token. An unknown name falls through to the
    /// last line, where the server says what Azure says: `password authentication failed` with 28P01.
    ///
    /// The proxy chooses the client address, so faults of admission need no change on the server. There is no line without TLS, as on a
    /// server with `require_secure_transport`.
    static func access(service: PamService?, block: LoopbackBlock) -> String {
        let token = service.map { "pam pamservice=\($0.name)" } ?? "password"
        return """
            local   all    \(admin)                               scram-sha-256
            hostssl fenced all                 127.0.0.1/32       reject
            hostssl all    +entra_principals   127.0.0.1/32       \(token)
            hostssl all    +local_accounts     127.0.0.1/32       scram-sha-256
            hostssl all    all                 127.0.0.1/32       password
            hostssl all    all                 \(native(block))/32 scram-sha-256

            """
    }
}
