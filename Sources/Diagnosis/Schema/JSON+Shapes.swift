// Shapes of what tables are made of: plain values, and the closed lists of words.

extension String: JSONDescribed {
    package static var shape: JSONShape { .text() }
}
extension Bool: JSONDescribed {
    package static var shape: JSONShape { .flag }
}
extension Int: JSONDescribed {
    package static var shape: JSONShape { .count }
}
extension Double: JSONDescribed {
    package static var shape: JSONShape { .number }
}
extension Timestamp: JSONDescribed {
    package static var shape: JSONShape { .time }
}
extension Duration: JSONDescribed {
    package static var shape: JSONShape { .seconds }
}
extension Array: JSONDescribed where Element: JSONDescribed {
    package static var shape: JSONShape { .list(Element.shape) }
}
extension Optional: JSONDescribed where Wrapped: JSONDescribed {
    package static var shape: JSONShape { .orNull(Wrapped.shape) }
}
extension CheckID: JSONDescribed {
    package static var shape: JSONShape { .text(pattern: "^[^/]*/[^/]+$") }
}

extension JSONDescribed where Self: RawRepresentable, Self: CaseIterable, RawValue == String {
    package static var shape: JSONShape { .words(allCases.map(\.rawValue)) }
}

extension Engine: JSONDescribed {}
extension Severity: JSONDescribed {}
extension Failure.Certainty: JSONDescribed {}
extension Remedy.Kind: JSONDescribed {}
extension Report.Mode: JSONDescribed {}
extension StateLine.Kind: JSONDescribed {}
extension Rollup.Span: JSONDescribed {}
extension TokenSourceKind: JSONDescribed {}
extension TokenClaims.PrincipalKind: JSONDescribed {}
extension TokenResource: JSONDescribed {}
extension PrivilegeRow.Kind: JSONDescribed {}
extension PrivilegeDemand: JSONDescribed {}
extension PrivilegeRight: JSONDescribed {}
extension Evidence.Kind: JSONDescribed {}

extension Phase: JSONDescribed {
    package static var shape: JSONShape {
        .named(
            JSONDefinition(
                "phase", "A timed step of a probe; config and internal name failures outside of one.", .words(allCases.map(\.rawValue))))
    }
}
extension CheckState: JSONDescribed {
    package static var shape: JSONShape {
        .named(JSONDefinition("state", "The verdict on a check, an identity or a part of the agent.", .words(allCases.map(\.rawValue))))
    }
}
extension Cause: JSONDescribed {
    package static var shape: JSONShape {
        .named(JSONDefinition("cause", "Why something failed, as one code of the closed list.", .words(allCases.map(\.rawValue))))
    }
}
extension FindingCode: JSONDescribed {
    package static var shape: JSONShape {
        .named(JSONDefinition("notice", "The codes of findings that are no failures.", .words(allCases.map(\.rawValue))))
    }

    /// A code of either list.
    static var causeOrCode: JSONShape { .either([Cause.shape, shape]) }
}
extension ExitStatus: JSONDescribed {
    package var json: JSON { .integer(Int64(rawValue)) }
    package static var shape: JSONShape {
        .named(JSONDefinition("exit", "The exit status of the command.", .numbers(allCases.map { Int($0.rawValue) })))
    }
}

/// The number of the contract, in every document.
package struct SchemaNumber: JSONDescribed {
    package init() {}
    package var json: JSON { .integer(Int64(Report.schema)) }
    package static var shape: JSONShape { .numbers([Report.schema]) }
}
