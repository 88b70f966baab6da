// libmariadb made ready, once in this process: our transport and our plugins in place, its own ways of loading things shut.
import CMariaDB
import Diagnosis
import Glibc

enum MariaDBLibrary {
    /// What the first packet names as its plugin.
    static let opening = "agent_token"
    static let clearText = "mysql_clear_password"
    /// The library lets a server ask for these and no others. **Source**: `MARIADB_OPT_RESTRICTED_AUTH`.
    static let allowed = ([opening, clearText] + Transport.others).joined(separator: ",")

    /// Why the library cannot be used; nil when it can. Runs once; the first caller waits for it.
    static let problem: Failure? = start()

    private static func start() -> Failure? {
        // They make the library load code that nobody asked for. Taking away what is not there changes nothing.
        for name in ["LIBMYSQL_PLUGINS", "MARIADB_PLUGIN_DIR"] { _ = unsafe unsetenv(name) }
        guard mysql_server_init(0, nil, nil) == 0, let mysql = unsafe mysql_init(nil) else { return unusable("it does not start") }
        defer { unsafe mysql_close(mysql) }
        let version = mysql_get_client_version()
        guard version / 100 == UInt(CMARIADB_BUILT_FOR) / 100 else {
            return unusable("version \(dotted(version)) is installed, the agent was built with \(dotted(UInt(CMARIADB_BUILT_FOR)))")
        }
        let tls = unsafe cmariadb_tls_library(mysql).map { unsafe String(cString: $0) } ?? "nothing"
        guard tls.hasPrefix("OpenSSL") else { return unusable("it does TLS by \(tls), the agent by OpenSSL") }
        guard unsafe cmariadb_register_authentication(mysql, opening, Transport.opening) == 0,
            unsafe cmariadb_register_authentication(mysql, clearText, Transport.clearText) == 0
        else { return unusable("its plugin for tokens is taken by another") }
        for other in Transport.others {
            // One of them is part of the library and gets our answer in place of its own.
            if unsafe cmariadb_register_authentication(mysql, other, Transport.other(other)) == 0 { continue }
            guard let known = unsafe cmariadb_find_authentication(mysql, other) else { return unusable("it has no \(other)") }
            unsafe known.pointee.authenticate = Transport.other(other)
        }
        guard let transport = unsafe cmariadb_find_transport(mysql) else { return unusable("it has no transport to take the place of") }
        // Lives as long as the process, as the plugin does.
        let methods = UnsafeMutablePointer<PVIO_METHODS>.allocate(capacity: 1)
        unsafe methods.initialize(to: Transport.methods())
        unsafe transport.pointee.methods = methods
        return nil
    }

    private static func unusable(_ why: String) -> Failure {
        Failure(
            .configInvalid, during: .config, detail: "The MySQL client library libmariadb cannot be used: \(why).",
            evidence: [Evidence(.libmariadb, text: why)])
    }

    private static func dotted(_ version: UInt) -> String { "\(version / 10000).\(version / 100 % 100).\(version % 100)" }
}
