// A real MariaDB of a test's own: TLS, and accounts that are asked for a password in clear text and let in with any.
import Subprocess

/// A server in a scratch folder, started for one test.
///
/// Accounts made by ``account(_:)`` log in through PAM's `pam_permit`, so the client is asked for `mysql_clear_password`, as on Azure.
package struct RealMariaDB: Sendable {
    package let folder: String
    package let port: Int
    private let process: String

    package var caFile: String { folder + "/ca.pem" }

    /// Starts a server for `body` and ends it afterwards. The certificate is for `localhost`, `127.0.0.1` and `*.mysql.database.azure.com`.
    /// - Parameter options: further lines of the server's configuration.
    package static func run(options: [String] = [], _ body: (RealMariaDB) async throws -> Void) async throws {
        let answer = try await shell(start, arguments: options)
        let words = answer.split(whereSeparator: \.isWhitespace).map(String.init)
        guard words.count == 3, let port = Int(words[1]) else { throw TestFailure("the server did not start: \(answer)") }
        let server = RealMariaDB(folder: words[0], port: port, process: words[2])
        do {
            try await body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    /// Runs statements as administrator and returns their rows, columns parted by tabs. **Throws**: with the server's words.
    @discardableResult
    package func run(_ sql: String) async throws -> String { try await client("root", sql) }

    /// Runs statements in the name of an account, the plain way: for verdicts to be compared with.
    package func run(_ sql: String, as user: String, database: String = "") async throws -> String {
        try await client(user, sql, database: database)
    }

    /// The statement that makes an account which takes a token.
    package static func account(_ name: String) -> String {
        "CREATE USER '\(name)'@'%' IDENTIFIED VIA pam USING 'permit';"
    }

    private func client(_ user: String, _ sql: String, database: String = "") async throws -> String {
        let arguments = [
            "--no-defaults", "--socket", folder + "/my.sock", "-u", user, user == "root" ? "--skip-password" : "-pany", "--batch",
            "--skip-column-names", "--ssl-ca=" + caFile,
        ]
        let result = try await Subprocess.run(
            .name("mariadb"), arguments: Arguments(arguments + (database.isEmpty ? [] : [database])), input: .string(sql),
            output: .string(limit: 4 << 20), error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else { throw TestFailure(result.standardError) }
        return result.standardOutput
    }

    private func stop() async {
        _ = try? await Self.shell(
            "kill \"$1\"; for _ in $(seq 100); do kill -0 \"$1\" 2>/dev/null || break; sleep 0.1; done; rm -rf \"$2\"",
            arguments: [process, folder])
    }

    private static func shell(_ script: String, arguments: [String]) async throws -> String {
        let result = try await Subprocess.run(
            .name("bash"), arguments: Arguments(["-c", script, "mariadb-test"] + arguments), output: .string(limit: 1 << 20),
            error: .string(limit: 1 << 20))
        guard result.terminationStatus.isSuccess else { throw TestFailure(result.standardError) }
        return result.standardOutput
    }

    private static let start = #"""
        set -eu
        folder=$(mktemp -d "${TMPDIR:-/tmp}/my-XXXXXX"); cd "$folder"; chmod 711 .
        {
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Test root' -keyout ca.key -out ca.pem
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' -keyout server.key -out server.csr
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,DNS:*.mysql.database.azure.com\n' >names
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile names -out server.pem
        } >openssl.log 2>&1 || { cat openssl.log >&2; exit 1; }
        mkdir pam data tmp
        printf 'auth required pam_permit.so\naccount required pam_permit.so\n' >pam/permit
        as=; owner=$(id -un)
        if [ "$(id -u)" = 0 ]; then owner=mysql; chown -R mysql . ; chmod 755 pam; as="setpriv --reuid mysql --regid mysql --clear-groups --"; fi
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        cat >my.cnf <<END
        [mariadbd]
        datadir=$folder/data
        tmpdir=$folder/tmp
        socket=$folder/my.sock
        pid-file=$folder/pid
        bind-address=127.0.0.1
        port=$port
        ssl-cert=$folder/server.pem
        ssl-key=$folder/server.key
        plugin-load-add=auth_pam_v1
        pam-use-cleartext-plugin=ON
        skip-name-resolve
        innodb-buffer-pool-size=8M
        innodb-log-file-size=4M
        innodb-flush-log-at-trx-commit=0
        innodb-flush-method=nosync
        performance-schema=OFF
        aria-pagecache-buffer-size=1M
        key-buffer-size=1M
        END
        for line in "$@"; do printf '%s\n' "$line" >>my.cnf; done
        $as mariadb-install-db --no-defaults --datadir="$folder/data" --tmpdir="$folder/tmp" --skip-test-db \
            --auth-root-authentication-method=normal --skip-name-resolve >install.log 2>&1 || { cat install.log >&2; exit 1; }
        wrapper=$(ls /usr/lib/*/libpam_wrapper.so)
        # Ends by itself should the test be killed.
        LD_PRELOAD=$wrapper PAM_WRAPPER=1 PAM_WRAPPER_SERVICE_DIR="$folder/pam" $as timeout 600 \
            mariadbd --defaults-file="$folder/my.cnf" >server.log 2>&1 </dev/null &
        for _ in $(seq 300); do
            [ -S my.sock ] && mariadb-admin --no-defaults --socket my.sock -u root ping >ping.log 2>&1 && break
            sleep 0.1
        done
        mariadb --no-defaults --socket my.sock -u root -e "DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES" >&2 ||
            { cat server.log >&2; exit 1; }
        echo "$folder $port $(cat pid)"
        """#
}

/// Words of a failed helper of a test.
package struct TestFailure: Error, CustomStringConvertible {
    package var description: String
    package init(_ text: String) { description = text }
}
