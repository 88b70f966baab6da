// The independent client of these tests for MySQL: PyMySQL, which shares no line with libmariadb, with certificate and name verified.
import Diagnosis
import FoundationEssentials
import Lab
import Subprocess

/// One login with a token, as an application would make it.
struct PyMySQL {
    /// The values of the first row, joined by spaces.
    var output: String
    /// **Shape**: the number and text of the server or of the client, or the exception.
    var error: String
    var isSuccess: Bool
    /// Whether it was still busy when its time was over.
    var wasStopped: Bool

    /// Connects to the address of the lab and verifies the public name, as a client that resolves names elsewhere.
    private static let script = """
        os, socket, ssl, sys, pymysql = map(__import__, ["os", "socket", "ssl", "sys", "pymysql"])
        e = os.environ
        context = ssl.create_default_context(cafile=e["CA"])
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        patience = float(e["PATIENCE"])
        arguments = dict(
            host=e["HOST"], user=e["DBUSER"], password=e["TOKEN"], database=e["DATABASE"] or None, connect_timeout=patience,
            read_timeout=patience, write_timeout=patience, local_infile=e["LOCAL_INFILE"] == "yes", defer_connect=True)
        if e["TLS"] == "yes":
            arguments["ssl"] = context
        try:
            client = pymysql.connect(**arguments)
            way = socket.create_connection((e["ADDRESS"], int(e["PORT"])), patience)
            client.connect(way)
            with client.cursor() as cursor:
                for statement in e["SQL"].split(";"):
                    cursor.execute(statement)
                row = cursor.fetchone()
            print(*(row or ()))
            client.close()
        except Exception as error:
            print(type(error).__name__, *error.args, file=sys.stderr)
            sys.exit(1)
        """

    /// - Parameters:
    ///   - sql: statements separated by `;`; the first row of the last one is printed.
    ///   - patience: seconds for each step.
    ///   - stopAfter: seconds for the whole run.
    static func run(
        _ sql: String = "select 1", on target: LabTarget, of lab: Lab, token: Secret<String>, account: String? = nil,
        database: String? = nil, patience: Int = 10, usesTLS: Bool = true, offersFiles: Bool = false,
        stopAfter: String = "30"
    ) async throws -> PyMySQL {
        let endpoint = lab.endpoint(of: target)
        let settings: [String: String] = [
            "HOST": target.host, "ADDRESS": endpoint.host, "PORT": String(endpoint.port), "DATABASE": database ?? target.database,
            "DBUSER": account ?? target.role, "TOKEN": token.reveal { $0 }, "CA": lab.caFile, "PATIENCE": String(patience), "SQL": sql,
            "TLS": usesTLS ? "yes" : "no", "LOCAL_INFILE": offersFiles ? "yes" : "no",
        ]
        // The package of the distribution belongs to the distribution's Python.
        let python = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") ? "/usr/bin/python3" : "python3"
        let result = try await Subprocess.run(
            .name("env"), arguments: Arguments(["timeout", stopAfter, python, "-c", script]),
            environment: .inherit.updating(Dictionary(uniqueKeysWithValues: settings.map { (Environment.Key(stringLiteral: $0), $1) })),
            input: .none, output: .string(limit: 1 << 20), error: .string(limit: 1 << 20))
        return PyMySQL(
            output: result.standardOutput, error: result.standardError, isSuccess: result.terminationStatus.isSuccess,
            wasStopped: result.terminationStatus == .exited(124))
    }
}
