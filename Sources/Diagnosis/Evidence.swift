// What was seen, verbatim and with its foreign code.

/// One thing that was seen when an attempt failed. Redacted when it is made, so safe to print ever after.
package struct Evidence: Sendable, Hashable, Codable, JSONTabled {
    package var kind: Kind
    /// The foreign code as its library writes it: `28P01`, `111`, `60`. Nil where there is only text.
    package var code: String?
    package var text: String

    package init(_ kind: Kind, code: String? = nil, text: String) {
        self.kind = kind
        // A code may come from outside as well: the error field of a reply, a server's SQLSTATE.
        self.code = code.map { String(Redactor.scrub($0).prefix(64)) }
        self.text = Redactor.scrub(text)
    }

    package init(_ kind: Kind, code: some BinaryInteger, text: String) {
        self.init(kind, code: String(code), text: text)
    }

    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable, JSONRepresentable {
        case sqlstate, errno, ares, curl, http, aadsts, oauth
        /// The number of OpenSSL's certificate verification (`X509_V_ERR_…`).
        case verify
        case openssl
        /// Text of libpq itself, without a code.
        case libpq
        /// The number of a MySQL server's error.
        case mysql
        /// What libmariadb says by itself, with its number.
        case libmariadb
        /// The number of an error of SQL Server or of Azure SQL's gateway; its state and class stand in the text.
        case tds
        /// What a claim of the token says.
        case claim
        case certificate, address
        /// Bytes of an unexpected peer, in hexadecimal.
        case bytes
        /// A limit or time of the agent's own.
        case agent
    }

    package static let table = JSONTable<Evidence>("evidence", "What was seen, in the words of whoever said it.") {
        JSONKey("kind", "Whose code and text it is.") { $0.kind }
        JSONKey("code", "The foreign code as its library or server writes it.") { $0.code }
        JSONKey("text", "The text, secrets taken out.") { $0.text }
    }

    /// `28P01: password authentication failed…`, or the text alone.
    package var line: String { code.map { "\(kind.rawValue) \($0): \(text)" } ?? text }
}
