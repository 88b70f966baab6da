// LOGINACK and the DONE family: small fixed parts of a reply.

/// The server takes the login; a redirect may still follow. **Source**: MS-TDS 2.2.7.14, LOGINACK.
package struct LoginAcknowledgement: Sendable, Hashable {
    /// 1 is Transact-SQL.
    package var interface: UInt8 = 1
    /// High byte first on the wire, unlike in LOGIN7.
    package var tdsVersion: UInt32
    package var program: String
    package var major, minor: UInt8
    package var build: UInt16

    package init(tdsVersion: UInt32, program: String, major: UInt8, minor: UInt8, build: UInt16, interface: UInt8 = 1) {
        self.interface = interface
        self.tdsVersion = tdsVersion
        self.program = program
        self.major = major
        self.minor = minor
        self.build = build
    }

    package init(body reader: inout ByteReader) throws(WireError) {
        interface = try reader.byte()
        tdsVersion = UInt32(truncatingIfNeeded: try reader.big(4))
        program = try reader.shortText()
        major = try reader.byte()
        minor = try reader.byte()
        build = UInt16(truncatingIfNeeded: try reader.big(2))
    }

    package func encode(into writer: inout ByteWriter) {
        writer.byte(interface)
        writer.big(UInt64(tdsVersion), 4)
        writer.shortText(program)
        writer.byte(major)
        writer.byte(minor)
        writer.big(UInt64(build), 2)
    }

    /// `12.0.2000`.
    package var version: String { "\(major).\(minor).\(build)" }
}

/// The end of a statement, a procedure or a whole reply. **Source**: MS-TDS 2.2.7.6 to 2.2.7.8.
package struct Done: Sendable, Hashable {
    package var status: Status
    /// What kind of statement ended; 0xC1 is SELECT.
    package var command: UInt16
    /// Meaningful with `count` only.
    package var rowCount: UInt64

    package init(_ status: Status = [], command: UInt16 = 0, rowCount: UInt64 = 0) {
        self.status = status
        self.command = command
        self.rowCount = rowCount
    }

    /// **Source**: MS-TDS 2.2.7.6, Status.
    package struct Status: OptionSet, Sendable, Hashable {
        package let rawValue: UInt16
        package init(rawValue: UInt16) { self.rawValue = rawValue }
        package static let more = Status(rawValue: 0x0001)
        package static let error = Status(rawValue: 0x0002)
        package static let inTransaction = Status(rawValue: 0x0004)
        package static let count = Status(rawValue: 0x0010)
        package static let attention = Status(rawValue: 0x0020)
        package static let serverError = Status(rawValue: 0x0100)
    }

    package static let selectCommand: UInt16 = 0xC1

    package init(body reader: inout ByteReader) throws(WireError) {
        status = Status(rawValue: try reader.uint16())
        command = try reader.uint16()
        rowCount = try reader.uint64()
    }

    package func encode(into writer: inout ByteWriter) {
        writer.uint16(status.rawValue)
        writer.uint16(command)
        writer.uint64(rowCount)
    }
}
