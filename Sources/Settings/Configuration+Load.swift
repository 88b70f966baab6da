// Finding the configuration file and reading it into one checked value.

extension Configuration {
    /// Longest file that is read. **Unit**: bytes.
    package static let sizeLimit = 1 << 20

    /// Reads the first of: `path`, `AGENT_CONFIG`, `agent.yaml` in `directory`, `systemFile`. Blocks on the disk: call it at start or
    /// from a thread that may wait.
    ///
    /// **Throws** nothing: what is wrong is the answer, every error of the file together.
    package static func load(
        path: String?, environment: [String: String], directory: String = ".", systemFile: String = "/etc/agent/agent.yaml"
    ) -> ConfigurationResult {
        guard let file = find(path: path, environment: environment, directory: directory, systemFile: systemFile) else {
            return missing(systemFile)
        }
        switch FileText.read(file, limit: sizeLimit) {
        case .failure(let problem): return .failure([SettingsIssue(file: file, message: problem.text)])
        case .success(let bytes): return parse(bytes, file: file, environment: environment)
        }
    }

    /// The file that ``load(path:environment:directory:systemFile:)`` would read; nil when there is none.
    package static func find(
        path: String?, environment: [String: String], directory: String = ".", systemFile: String = "/etc/agent/agent.yaml"
    ) -> String? {
        if let path { return path }
        if let path = environment["AGENT_CONFIG"], !path.isEmpty { return path }
        let local = directory == "." ? "agent.yaml" : "\(directory)/agent.yaml"
        return [local, systemFile].first(where: FileText.exists)
    }

    /// Checks the text of a file that is already in memory.
    package static func parse(_ bytes: [UInt8], file: String, environment: [String: String]) -> ConfigurationResult {
        let issues = IssueList(file: file)
        guard let text = text(of: bytes, issues) else { return .failure(issues.sorted) }
        let document = YAMLDocument.read(text)
        for problem in document.problems { issues.error("", at: problem.position, problem.message) }
        guard let root = document.root else {
            if document.problems.isEmpty { issues.error("", at: nil, emptyFile) }
            return .failure(issues.sorted)
        }
        if case .scalar(let scalar) = root.content, scalar.kind == .null {
            issues.error("", at: nil, emptyFile)
            return .failure(issues.sorted)
        }
        guard let section = Section(root, path: "", issues: issues) else { return .failure(issues.sorted) }
        let configuration = ConfigurationReader(issues: issues, file: file, environment: environment).read(section)
        return issues.hasErrors ? .failure(issues.sorted) : .success(configuration, warnings: issues.sorted)
    }

    /// The smallest file that does something.
    package static let minimalFile = """
        identities:
          app: {kind: managed_identity}
        targets:
          - name: orders
            engine: postgresql
            host: orders.postgres.database.azure.com
            database: orders
            user: aad_orders
            identities: [app]
        """

    /// What comes of there being no file at all.
    static func missing(_ systemFile: String) -> ConfigurationResult {
        .failure([SettingsIssue(file: nil, message: missingFile(systemFile))])
    }

    private static func missingFile(_ systemFile: String) -> String {
        "no configuration: none was named by --config or AGENT_CONFIG, and neither ./agent.yaml nor \(systemFile) exists. "
            + "Finding targets without a file (discovery) is not in this version. A minimal file:\n\n\(minimalFile)\n"
    }

    private static let emptyFile = "the file is empty; a minimal one:\n\n\(minimalFile)\n"

    /// - Returns: nil, with an error, when the bytes are no text.
    private static func text(of bytes: [UInt8], _ issues: IssueList) -> String? {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            issues.error("", at: nil, "the file is UTF-16; save it as UTF-8")
            return nil
        }
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        if let index = bytes.firstIndex(where: { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }) {
            let line = bytes[..<index].count { $0 == 0x0A } + 1
            issues.error("", at: .init(line: line, column: 1), "the file is not text: it holds the byte \(bytes[index])")
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let line = firstInvalidLine(bytes)
            issues.error("", at: .init(line: line, column: 1), "the file is not UTF-8 on this line")
            return nil
        }
        return text
    }

    private static func firstInvalidLine(_ bytes: [UInt8]) -> Int {
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
    }
}
