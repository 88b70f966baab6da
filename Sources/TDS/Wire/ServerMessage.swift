// ERROR and INFO: what a server says in words, with its number.

/// A message of the server: an error (class above 10) or a notice. **Source**: MS-TDS 2.2.7.10 ERROR, 2.2.7.13 INFO.
public struct TDSServerMessage: Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, as documented by Microsoft: 18456 is a refused login, 40615 the firewall.
    public var number: Int32
    /// Tells places apart that raise the same number.
    public var state: UInt8
    /// Severity: up to 10 a notice, 11 to 16 for the user to mend, 17 to 19 lack of resources, from 20 on the connection is lost.
    public var `class`: UInt8
    /// The sentence, verbatim.
    public var text: String
    public var server: String
    public var procedure: String
    public var line: Int32

    public init(
        number: Int32, state: UInt8, class: UInt8, text: String, server: String = "", procedure: String = "", line: Int32 = 0
    ) {
        self.number = number
        self.state = state
        self.class = `class`
        self.text = text
        self.server = server
        self.procedure = procedure
        self.line = line
    }

    /// `18456, state 1, class 14: Login failed for user '…'.`, without control characters.
    public var description: String { "\(number), state \(state), class \(self.class): \(printable(text))" }

    package init(body reader: inout ByteReader) throws(WireError) {
        number = try reader.int32()
        state = try reader.byte()
        self.class = try reader.byte()
        text = try reader.longText()
        server = try reader.shortText()
        procedure = try reader.shortText()
        line = try reader.int32()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.int32(number)
        writer.byte(state)
        writer.byte(self.class)
        writer.longText(text)
        writer.shortText(server)
        writer.shortText(procedure)
        writer.int32(line)
    }
}

/// Text of a peer for people: control characters become spaces.
package func printable(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        result.append(isControl ? " " : scalar)
    }
    return String(result)
}
