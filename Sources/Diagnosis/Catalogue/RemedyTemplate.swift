// Commands with gaps: written once per cause, filled with real names per failure.

/// A gap in a remedy. The raw value is the key in ``Failure/values``.
package enum Placeholder: String, Sendable, Hashable, CaseIterable {
    /// What `az` calls the server: the first label of its host name.
    case server
    case host, port, database, user
    /// One of the target's addresses, the one that was tried.
    case address
    /// The client's address as the server saw it.
    case clientIP = "client_ip"
    case objectID = "oid"
    case clientID = "client_id"
    /// The tenant the server wants, else the token's.
    case tenant
    /// The configured name of the identity.
    case identity
    /// `target/identity`.
    case check
    case resourceGroup = "resource_group"
    /// The resource that runs the workload: an app or a virtual machine.
    case compute
    /// The ARM id of a user-assigned identity.
    case identityResource = "identity_resource_id"
    case identityName = "identity_name"
    case groupID = "group_id"
    /// The resource a token has to be asked for.
    case resource
    /// The private zone that belongs to the host name.
    case zone
    case network = "virtual_network"
    case subnet
    case securityGroup = "network_security_group"
    case object, schema
    case caFile = "ca_file"

    /// How an unknown value is shown.
    var gap: String { "<" + String(rawValue.map { $0 == "_" ? " " : $0 }) + ">" }
}

/// How a value is written into a remedy, so that it can never end the place it was put in.
package enum Quoting: Sendable, Hashable {
    /// One word of a POSIX shell.
    case word
    /// An identifier of SQL, in double quotes.
    case identifier
    /// A database in a MySQL grant, in backticks; it is a pattern there, so its wildcards are escaped.
    case backtick
    /// An identifier of SQL Server, in brackets.
    case bracket
    /// A string of SQL, in single quotes.
    case literal
    /// A GUID without quotes; anything else stays unknown.
    case guid
    /// A GUID as the SID that SQL Server makes of it: a binary constant.
    case sid
}

/// The text of a remedy with its gaps: `"az … -n \(word: .server)"`.
///
/// A gap is a case of an enum, so a misspelt one does not compile, and none can be left without a rule for quoting.
package struct RemedyText: Sendable, Hashable, ExpressibleByStringInterpolation {
    enum Segment: Sendable, Hashable {
        case text(String)
        case gap(Placeholder, Quoting)
    }

    var segments: [Segment]

    package init(stringLiteral value: String) { segments = [.text(value)] }
    package init(stringInterpolation: Interpolation) { segments = stringInterpolation.segments }

    package struct Interpolation: StringInterpolationProtocol {
        var segments: [Segment] = []

        package init(literalCapacity: Int, interpolationCount: Int) {}
        package mutating func appendLiteral(_ literal: String) {
            if !literal.isEmpty { segments.append(.text(literal)) }
        }
        package mutating func appendInterpolation(word gap: Placeholder) { segments.append(.gap(gap, .word)) }
        package mutating func appendInterpolation(identifier gap: Placeholder) { segments.append(.gap(gap, .identifier)) }
        package mutating func appendInterpolation(backtick gap: Placeholder) { segments.append(.gap(gap, .backtick)) }
        package mutating func appendInterpolation(bracket gap: Placeholder) { segments.append(.gap(gap, .bracket)) }
        package mutating func appendInterpolation(sid gap: Placeholder) { segments.append(.gap(gap, .sid)) }
        package mutating func appendInterpolation(literal gap: Placeholder) { segments.append(.gap(gap, .literal)) }
        package mutating func appendInterpolation(guid gap: Placeholder) { segments.append(.gap(gap, .guid)) }
    }

    func filled(from values: RemedyValues) -> String {
        segments.reduce(into: "") { text, segment in
            switch segment {
            case .text(let literal): text += literal
            case .gap(let gap, let quoting): text += quoting.quote(values[gap], orGap: gap.gap)
            }
        }
    }
}

/// One remedy of a cause, before it is filled.
package struct RemedyTemplate: Sendable, Hashable {
    package var kind: Remedy.Kind
    package var text: RemedyText
    /// The product it is for; nil for all.
    package var engine: Engine?
    /// The source of tokens it is for; nil for all.
    package var source: TokenSourceKind?
    /// Offered only where this is known, or only where it is not.
    private var need: (gap: Placeholder, isKnown: Bool)?

    package static func == (a: Self, b: Self) -> Bool {
        a.kind == b.kind && a.text == b.text && a.engine == b.engine && a.source == b.source && a.need?.gap == b.need?.gap
            && a.need?.isKnown == b.need?.isKnown
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    init(_ kind: Remedy.Kind, _ text: RemedyText, _ engine: Engine?, _ source: TokenSourceKind?) {
        self.kind = kind
        self.text = text
        self.engine = engine
        self.source = source
    }

    static func look(_ text: RemedyText, for engine: Engine? = nil, from source: TokenSourceKind? = nil) -> Self {
        Self(.look, text, engine, source)
    }
    static func repair(_ text: RemedyText, for engine: Engine? = nil, from source: TokenSourceKind? = nil) -> Self {
        Self(.repair, text, engine, source)
    }
    static func widens(_ text: RemedyText, for engine: Engine? = nil, from source: TokenSourceKind? = nil) -> Self {
        Self(.widens, text, engine, source)
    }
    static func destroys(_ text: RemedyText, for engine: Engine? = nil, from source: TokenSourceKind? = nil) -> Self {
        Self(.destroys, text, engine, source)
    }

    /// The same, offered only where the value is known: without it another remedy is the right one.
    func knowing(_ gap: Placeholder) -> Self { needing((gap, true)) }
    func notKnowing(_ gap: Placeholder) -> Self { needing((gap, false)) }

    private func needing(_ need: (Placeholder, Bool)) -> Self {
        var copy = self
        copy.need = need
        return copy
    }

    /// Whether it fits a failure of this product and this source; an unknown side fits everything.
    /// - Parameter values: what is known; nil while nothing particular is spoken of.
    package func applies(to engine: Engine?, source: TokenSourceKind?, values: RemedyValues? = nil) -> Bool {
        guard self.engine == nil || engine == nil || self.engine == engine else { return false }
        guard self.source == nil || source == nil || self.source == source else { return false }
        guard let need, let values else { return true }
        return (values[need.gap]?.isEmpty == false) == need.isKnown
    }

    package func filled(from values: RemedyValues) -> Remedy { Remedy(kind, text.filled(from: values)) }
}

extension Quoting {
    /// - Returns: `value` quoted; `gap` when there is none, or none that may be shown at this place.
    func quote(_ value: String?, orGap gap: String) -> String {
        let clean = value.map(Redactor.scrub) ?? ""
        switch self {
        case _ where clean.isEmpty:
            return switch self {
            case .identifier: "\"\(gap)\""
            case .literal: "'\(gap)'"
            case .backtick: "`\(gap)`"
            case .bracket: "[\(gap)]"
            case .word, .guid, .sid: gap
            }
        case .word:
            // Quotes do not stop a word that starts with a dash from being read as an option.
            if clean.utf8.first == UInt8(ascii: "-") { return gap }
            if clean.utf8.allSatisfy(Self.isPlain) { return clean }
            return "'" + Self.replacing(UInt8(ascii: "'"), in: clean, by: "'\\''") + "'"
        case .identifier: return "\"" + Self.replacing(UInt8(ascii: "\""), in: clean, by: "\"\"") + "\""
        case .backtick: return GrantSet.identifier(MySQLRemedies.pattern(clean))
        case .literal: return "'" + Self.replacing(UInt8(ascii: "'"), in: clean, by: "''") + "'"
        case .bracket: return AzureSQLRemedies.identifier(clean)
        case .sid: return Self.sid(clean) ?? gap
        case .guid: return clean.utf8.count == 36 && clean.utf8.allSatisfy(Self.isGUID) ? clean : gap
        }
    }

    /// Bytes that no shell treats specially anywhere in a word.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "@"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func isGUID(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// **Source**: Microsoft Learn, uniqueidentifier converted to binary: the first three groups have their bytes in reverse.
    static func sid(_ guid: String) -> String? {
        let groups = guid.split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        var text = "0x"
        for (index, group) in groups.enumerated() {
            var bytes: [String] = []
            var rest = group[...]
            while !rest.isEmpty {
                let byte = rest.prefix(2)
                guard byte.utf8.allSatisfy({ isGUID($0) }) else { return nil }
                bytes.append(byte.uppercased())
                rest = rest.dropFirst(2)
            }
            text += (index < 3 ? bytes.reversed() : bytes).joined()
        }
        return text
    }

    private static func replacing(_ byte: UInt8, in text: String, by replacement: String) -> String {
        var bytes: [UInt8] = []
        for each in text.utf8 {
            if each == byte { bytes += Array(replacement.utf8) } else { bytes.append(each) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
