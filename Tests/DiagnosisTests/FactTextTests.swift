// The lines of `agent history CHECK --facts`.
import Diagnosis
import Testing

@Suite struct FactTextTests {
    struct Row: Sendable {
        var name: String
        var value: JSON
        var words: String
    }

    private static let survey = PrivilegeSurvey(
        role: "aad_orders", attributes: [.createdb], roles: ["g"], database: [.temporary], schemasToMakeIn: 1, tables: 14, readable: 14,
        writable: 3, rowSecured: 1)
    private static let report = PrivilegeReport(
        role: "aad_orders",
        entries: [
            .init(label: "require", demand: .require, rule: PrivilegeRule(object: .database, rights: [.connect]), rows: []),
            .init(
                label: "writes", demand: .require, rule: PrivilegeRule(object: .table(schema: "s", name: "t"), rights: [.insert]),
                rows: [PrivilegeRow(.missing, sort: "table", schema: "s", name: "t", owner: "o", rights: ["INSERT"])]),
        ])

    @Test(
        "Each fact is one line that a person can read",
        arguments: [
            Row(name: "server_version", value: "15.4", words: "15.4"),
            Row(name: "addresses", value: ["10.0.0.1", "10.0.0.2"], words: "10.0.0.1, 10.0.0.2"),
            Row(name: "in_recovery", value: true, words: "true"),
            Row(name: "privileges", value: report.summary, words: "1 of 2 hold for aad_orders; writes: missing INSERT table s.t"),
            Row(
                name: "privileges", value: PrivilegeReport(role: "r", administrator: "superuser").summary,
                words: "administrator (superuser), no verdict"),
            Row(
                name: "rights", value: survey.summary,
                words: """
                    aad_orders reads 14, writes 3, owns 0 of 14 tables; makes objects; row-level security applies to 1; \
                    attributes: createdb; on the database: temporary; roles: g
                    """),
            Row(
                name: "rights", value: PrivilegeSurvey(role: "r", tables: 1, readable: 1).summary,
                words: "r reads 1, writes 0, owns 0 of 1 table"),
            Row(name: "rights", value: PrivilegeSurvey(role: "r").summary, words: "r sees no tables"),
            Row(
                name: "rights", value: ["role": "r", "reads": "some", "writes": "none", "owns": "none", "row_security": true],
                words: "r reads some, writes none, owns none of the tables; row-level security applies"),
            Row(name: "rights", value: PrivilegeSurvey(role: "r", administrator: "superuser").summary, words: "administrator (superuser)"),
            Row(name: "later", value: ["unknown": 1], words: #"{"unknown":1}"#),
        ])
    func lines(row: Row) throws {
        let time = try #require(Timestamp(rfc3339: "2026-11-22T03:04:11Z"))
        let check = CheckID(target: "orders", identity: "app")
        let change = FactChange(check: check, time: time, fact: FactValue(name: row.name, value: row.value.compact))
        let text = HistoryAnswer.facts([change]).text(place: "f", now: time)
        #expect(text == "2026-11-22T03:04:11.000Z  orders/app  \(row.name)  \(row.words)\n")
        #expect(HistoryAnswer.facts([change]).json["items"]?.items?.first?["value"] == row.value)
    }
}
