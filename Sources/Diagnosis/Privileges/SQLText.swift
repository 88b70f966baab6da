// Values inside SQL text: the one place that quotes, so that no value can end the place it was put in.

package enum SQLText {
    /// A string constant whose value is `text`, whatever `standard_conforming_strings` says.
    ///
    /// **Source**: PostgreSQL documentation, "Lexical Structure", 4.1.2.2: in the form with E, a doubled backslash is one.
    package static func literal(_ text: String) -> String {
        var body = ""
        var isEscaped = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "'": body += "''"
            case "\\":
                body += "\\\\"
                isEscaped = true
            // A statement is a C string: it would end here.
            case "\0": continue
            default: body.unicodeScalars.append(scalar)
            }
        }
        return (isEscaped ? " E'" : "'") + body + "'"
    }

    package static func identifier(_ text: String) -> String {
        var body = ""
        for scalar in text.unicodeScalars where scalar != "\0" {
            if scalar == "\"" { body += "\"" }
            body.unicodeScalars.append(scalar)
        }
        return "\"" + body + "\""
    }

    /// Quoted only where SQL would read the bare name as another one; for people to read, and safe to run.
    package static func identifierWhereNeeded(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.utf8.count <= 63 && !reserved.contains(text)
            && text.utf8.enumerated().allSatisfy { index, byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
                default: false
                }
            }
        return isPlain ? text : identifier(text)
    }

    /// Words that cannot stand as a bare name. **Source**: PostgreSQL documentation, appendix C, column "reserved".
    private static let reserved: Set<String> = [
        "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "binary", "both", "case", "cast",
        "check", "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date",
        "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc", "distinct",
        "do", "else", "end", "except", "false", "fetch", "for", "foreign", "freeze", "from", "full", "grant", "group", "having", "ilike",
        "in", "initially", "inner", "intersect", "into", "is", "isnull", "join", "lateral", "leading", "left", "like", "limit",
        "localtime", "localtimestamp", "natural", "not", "notnull", "null", "offset", "on", "only", "or", "order", "outer", "overlaps",
        "placing", "primary", "references", "returning", "right", "select", "session_user", "similar", "some", "symmetric",
        "system_user", "table", "tablesample", "then", "to", "trailing", "true", "union", "unique", "user", "using", "variadic", "verbose",
        "when", "where", "window", "with",
    ]
}
