// Where a running agent may be found when its file was edited badly since it was read: out of the parts of the file that still can be read.

extension Configuration {
    /// Reads server and history as far as they can be read, whatever else is wrong with the file. Blocks on the disk.
    ///
    /// - Returns: nil when there is nothing to read. Only ``server`` and ``history`` of the value mean anything; what the file does not say
    ///   or says wrongly has its default.
    package static func places(
        path: String?, environment: [String: String], directory: String = ".", systemFile: String = "/etc/agent/agent.yaml"
    ) -> Configuration? {
        guard let file = find(path: path, environment: environment, directory: directory, systemFile: systemFile),
            case .success(let bytes) = FileText.read(file, limit: sizeLimit)
        else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        // A part that cannot be read spoils the whole document, so each key of the first level is read by itself.
        var entries = blocks(of: text).flatMap { block -> [YAMLValue.Entry] in
            guard ["server", "history", "\"server", "\"history", "'server", "'history"].contains(where: block.hasPrefix),
                case .mapping(let entries)? = YAMLDocument.read(block).root?.content
            else { return [] }
            return entries.filter { ["server", "history"].contains($0.key) }
        }
        // Wrong in what it says only: however it is laid out, it can be read.
        if case .mapping(let all)? = YAMLDocument.read(text).root?.content { entries = all.filter { ["server", "history"].contains($0.key) } }
        let root = YAMLValue(position: YAMLValue.Position(line: 1, column: 1), content: .mapping(entries))
        let issues = IssueList(file: file)
        guard let section = Section(root, path: "", issues: issues) else { return nil }
        return ConfigurationReader(issues: issues, file: file, environment: environment).read(section)
    }

    /// The text cut before every line that begins with a key.
    private static func blocks(of text: String) -> [String] {
        var blocks: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            if line.first?.isLetter == true || line.first == "\"" || line.first == "'" || blocks.isEmpty {
                blocks.append(String(line))
            } else {
                blocks[blocks.count - 1] += "\n" + line
            }
        }
        return blocks
    }
}
