// Whether a probe may wake a serverless database: pure rules over the times of earlier logins.

/// What the configuration says about logins to a database that may sleep (`wake:`).
package enum WakeMode: Sendable, Hashable {
    /// Serverless databases get ``autoBudget`` logins a day, all others as many as there are probes.
    case auto
    case always
    /// No scheduled login at all: probes stop after TLS.
    case never
    /// So many logins a day, whatever the tier.
    case budget(Int)

    /// A login keeps a database awake for the pause delay, an hour unless set otherwise: four cost less than five hours of a day.
    /// **Source**: Microsoft Learn, "Serverless compute tier", auto-pause delay.
    package static let autoBudget = 4
    package static let budgetRange = 1...1440

    /// Logins a day to a database of this tier; nil for no limit.
    /// - Parameter isServerless: nil while nobody has seen the tier.
    package func loginsPerDay(isServerless: Bool?) -> Int? {
        switch self {
        case .always: nil
        case .never: 0
        case .budget(let count): count
        case .auto: isServerless == true ? Self.autoBudget : nil
        }
    }

    /// Whether the tier alone, or the configuration, says that the database sleeps now and then.
    package func expectsSleep(isServerless: Bool?) -> Bool {
        switch self {
        case .never, .budget: isServerless ?? true
        case .auto, .always: isServerless ?? false
        }
    }

    /// As the file says it: `auto`, `{budget: 6 per day}` without its braces.
    package var text: String {
        switch self {
        case .auto: "auto"
        case .always: "always"
        case .never: "never"
        case .budget(let count): "\(count) per day"
        }
    }

    /// Reads `6 per day`. Nil when it is not that or out of range.
    package static func budget(from text: String) -> WakeMode? {
        let words = text.split(separator: " ")
        guard words.count == 3, words[1] == "per", words[2] == "day", let count = Int(words[0]), budgetRange.contains(count) else {
            return nil
        }
        return .budget(count)
    }
}

/// Service objectives as Azure SQL names them.
package enum ServiceObjective {
    /// `GP_S_Gen5_1` is billed by use and may sleep, `GP_Gen5_1` is neither; `HS_S_Gen5_2` is billed by use and never sleeps.
    /// **Source**: Microsoft Learn, "Serverless compute tier": only the General Purpose tier pauses.
    package static func isServerless(_ objective: String) -> Bool { objective.uppercased().hasPrefix("GP_S_") }
}
