// The names of the lab: public names, the aliases that Azure puts behind them, and the addresses at the end.

import Diagnosis

/// What the name service knows.
struct Zone: Sendable {
    private var entries: [String: Entry] = [:]
    /// Names that belong to no target, with their address.
    private var others: [String: String] = [:]

    struct Entry: Sendable {
        var target: LabTarget
        /// In the order in which they are given.
        var addresses: [String]
        /// What `dead_address` answers with instead.
        var reserve: FaultProxy.Addresses
    }

    mutating func add(_ entry: Entry) {
        entries[entry.target.host] = entry
        entries[Self.alias(of: entry.target)] = entry
    }

    /// A name of its own, without alias.
    mutating func add(_ name: String, address: String) { others[name] = address }

    /// The canonical name behind the public one. Source: Azure Database for PostgreSQL and for MySQL, networking: a name of the
    /// service's own, or one under `privatelink`. Azure SQL: the chain of names that a public lab published.
    static func alias(of target: LabTarget) -> String {
        let suffix = LabTarget.suffix(of: target.engine)
        if target.privateLink { return "\(target.name).privatelink.\(suffix)" }
        return target.engine == .azuresql ? "\(target.name).lab1-a.control.\(suffix)" : "\(target.name).rs-lab.\(suffix)"
    }

    static let suffixes = [".database.azure.com", ".database.windows.net"]

    func entry(for name: String) -> Entry? { entries[name] }

    /// The answer of a healthy name service.
    func answer(to question: DNSQuestion, deadFirst: Bool) -> DNSAnswer {
        if let address = others[question.name] {
            var answer = DNSAnswer()
            if question.type == DNSQuestion.typeA {
                answer.records.append(.address(question.name, address))
            } else {
                answer.isNegative = true
            }
            return answer
        }
        guard let entry = entries[question.name] else {
            let isOurs = Self.suffixes.contains { question.name.hasSuffix($0) }
            return DNSAnswer(code: isOurs ? .nameError : .refused, isNegative: isOurs)
        }
        let alias = Self.alias(of: entry.target)
        var answer = DNSAnswer()
        if question.name != alias { answer.records.append(.alias(question.name, to: alias)) }
        if question.type == DNSQuestion.typeA {
            let reserve = entry.reserve
            let addresses = deadFirst ? [reserve.dead, reserve.primary, reserve.secondary] : entry.addresses
            answer.records += addresses.map { .address(alias, $0) }
        } else {
            answer.isNegative = true
        }
        return answer
    }
}
