// The page: nothing from outside becomes markup, and its size is bounded.
import Diagnosis
import Foundation
import Testing

@testable import StatusServer

private let payloads = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'onmouseover='alert(1)", "</pre></table><iframe src=//evil.example>",
    "&lt;script&gt;", "javascript:alert(1)", "<!--", "]]>", "\u{202E}txt.exe", "${7*7}{{7*7}}", "<svg/onload=alert(1)>",
    "<style>*{}</style>",
]

/// The names of all elements of a page, read as a browser would begin to.
private func elements(_ html: String) -> [String] {
    var names: [String] = []
    var rest = Substring(html)
    while let open = rest.firstIndex(of: "<") {
        rest = rest[rest.index(after: open)...]
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "/" || $0 == "!" }
        names.append(name.lowercased())
        guard let close = rest.firstIndex(of: ">") else { break }
        rest = rest[close...]
    }
    return names
}

private func page(_ board: Board) -> String { String(decoding: StatusPage.render(Samples.report(board)), as: UTF8.self) }

private func hostile(_ payload: String) -> Board { Samples.hostile(payload) }

@Suite struct PageTests {
    @Test("No text from outside becomes an element or an attribute", arguments: payloads)
    func escaping(payload: String) {
        let calm = Set(elements(page(hostile("calm"))))
        let html = page(hostile(payload))
        #expect(Set(elements(html)).subtracting(calm).isEmpty)
        #expect(!html.contains("<script") && !html.contains("<img") && !html.contains("<iframe") && !html.contains("<svg"))
        #expect(html.components(separatedBy: "<style").count == 2)
        // Every quote that opens an attribute of ours is closed by ours: no payload may hold one unescaped.
        let own = page(hostile("calm")).filter { $0 == "\"" || $0 == "'" }.count
        #expect(html.filter { $0 == "\"" || $0 == "'" }.count == own)
        #expect(!html.unicodeScalars.contains("\u{202E}"))
    }

    @Test("The page names the failure, its finding, what to do and the healthy checks")
    func content() {
        let html = page(Samples.old())
        for text in [
            "billing/app", "tcp_refused", "<b class=r>✗ down</b>", "<b class=g>✓ up</b>", "<b class=y>? unknown</b>",
            "identity_not_assigned",
            "dns 1.6, tcp 3.1", "190 d", "Hit: billing/app", "connection refused", "<p class=m>look (changes nothing)<pre>",
            "<th scope=col>check", "<th scope=row>orders/app", "<html lang=en>", "<caption>", "content=30", "token cached",
        ] {
            #expect(html.contains(text), "\(text)")
        }
    }

    @Test("A rest for the server's sake is told with its time and not as a refusal; a rest after a refusal is told as one")
    func rests() {
        for isOfServer in [true, false] {
            let check = CheckID(target: "billing", identity: "app")
            let board = Samples.old()
            var partial = Samples.success(check, at: Samples.now + .seconds(60))
            partial.outcome = .partial(.loginPaused)
            if isOfServer { partial.notices = [Notice(.loginsRest, during: .login, detail: "the next from 2026-03-04T05:06:07Z on")] }
            _ = board.record(partial)
            let html = page(board)
            #expect(html.contains("logins to this server rest") == isOfServer)
            #expect(html.contains("logins pause after a lasting refusal") == !isOfServer)
            #expect(html.contains("logins_rest") == isOfServer && html.contains("the next from 2026-03-04T05:06:07Z on") == isOfServer)
            #expect(html.contains("<b class=r>✗ down</b>"), "the verdict stays")
            #expect(Samples.report(board).exit == Samples.report(Samples.old()).exit)
        }
    }

    @Test("The worst checks come first")
    func order() throws {
        let html = page(Samples.old())
        let rows = html.components(separatedBy: "<th scope=row>").dropFirst().map { String($0.prefix { $0 != "<" }) }
        #expect(rows.prefix(3) == ["billing/app", "crm/app", "orders/app"])
    }

    @Test("An agent with nothing to do has a page that says so")
    func empty() {
        #expect(page(Board(targets: [], identities: [])).contains("No checks are configured."))
    }

    @Test("The page stays below 300 kB, whatever there is to show", arguments: [false, true])
    func size(isDown: Bool) {
        let html = StatusPage.render(Samples.report(Samples.large(isDown: isDown)))
        #expect(html.count < 300_000)
        #expect(String(decoding: html, as: UTF8.self).hasSuffix("</html>\n"))
    }

    @Test("A thousand healthy checks are all on the page")
    func completeness() {
        let html = page(Samples.large())
        #expect(html.components(separatedBy: "<th scope=row>orders-").count == 1001)
    }

    @Test(
        "Two thousand failing checks with long names stay within the bound, and the page says what it leaves out", .timeLimit(.minutes(1)))
    func bound() {
        let targets = (0..<2000).map { index in
            var target = Samples.target("t\(index)", host: String(repeating: "h", count: 200))
            target.host = "\(index)." + String(repeating: "h", count: 200)
            return target
        }
        let board = Board(targets: targets, identities: ["app"])
        for target in targets {
            _ = board.record(
                Samples.failure(target.checks[0], evidence: [Evidence(.errno, code: 1, text: String(repeating: "<", count: 500))]))
        }
        let html = page(board)
        #expect(html.utf8.count < 300_000)
        #expect(html.contains("more findings: see"))
        #expect(html.contains("more checks: see"))
    }

    @Test("The hash in the content security policy is that of the style sheet")
    func styleHash() throws {
        let style = StatusPage.style.withUTF8Buffer { unsafe Array($0) }
        let digest = try run("openssl", ["dgst", "-sha256", "-r"], input: style).output.prefix { $0 != " " }
        var bytes: [UInt8] = []
        var hex = Substring(digest)
        while hex.count >= 2 {
            bytes.append(UInt8(hex.prefix(2), radix: 16) ?? 0)
            hex = hex.dropFirst(2)
        }
        #expect(Data(bytes).base64EncodedString() == StatusPage.styleHash)
    }
}
