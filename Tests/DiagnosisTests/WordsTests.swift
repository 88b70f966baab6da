import Testing

@testable import Diagnosis

@Suite struct RedactorTests {
    @Test("A document of another process keeps its lines, blanks and lengths and loses what could move the cursor or hide something")
    func harmlessDocument() {
        let table = "√ orders/app   up    " + String(repeating: "x", count: 900) + "\n  {\"a\":  1}\n"
        #expect(Redactor.harmless(table) == table)
        #expect(Redactor.harmless("a\u{1B}[2J\rb\u{7}\u{202E}c\u{200B}d\u{9B}1m\n") == "a[2Jbcd1m\n")
    }

    static let jwt = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovL29zc3JkYm1zIn0.c2lnbmF0dXJlLWJ5dGVz"

    struct Attack: Sendable, CustomTestStringConvertible {
        var text: String
        var secret: String
        var testDescription: String { text }
        init(_ text: String, hides secret: String) { (self.text, self.secret) = (text, secret) }
    }

    @Test("A check is read as it is written, also the watch over an identity")
    func checks() throws {
        let watch = CheckID(watching: "app")
        #expect(watch.isWatch && watch.description == "/app")
        for check in [watch, CheckID(target: "orders", identity: "app")] { #expect(CheckID(check.description) == check) }
        for text in ["", "/", "orders", "orders/", "orders/app/", "//app"] { #expect(CheckID(text) == nil, "\(text)") }
    }

    @Test(
        "Secrets do not survive",
        arguments: [
            Attack("token \(jwt) refused", hides: "eyJ0eXAi"), Attack("Bearer \(jwt)", hides: "c2lnbmF0"),
            Attack("x.\(jwt)", hides: "eyJhdWQi"), Attack("a\(jwt)", hides: "c2lnbmF0"),
            Attack("ey\u{200B}J0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.x", hides: "OiJKV1Qi"),
            Attack("ey\u{FEFF}J0eXAi\u{2060}OiJKV1QiLCJhbGciOiJSUzI1NiJ9", hides: "OiJKV1Qi"),
            Attack(String(repeating: "QUJD", count: 40), hides: "QUJDQUJD"),
            Attack("grant_type=x&client_secret=hunter2&y=1", hides: "hunter2"), Attack("client_secret = 'hunter2'", hides: "hunter2"),
            Attack(#"{"access_token":"hunter2","x":1}"#, hides: "hunter2"), Attack(#"{"access_token" : "hunter2"}"#, hides: "hunter2"),
            Attack("Password=hunter2;Host=x", hides: "hunter2"), Attack("PWD=hunter2", hides: "hunter2"),
            Attack("X-IDENTITY-HEADER: hunter2", hides: "hunter2"), Attack("IDENTITY_HEADER=hunter2", hides: "hunter2"),
            Attack("Authorization: Basic aHVudGVyMg==", hides: "aHVudGVyMg"), Attack("IDENTIFIED BY PASSWORD '*hunter2'", hides: "hunter2"),
            Attack("(using password: YES hunter2", hides: "YES"), Attack("(using password: YESunter2)", hides: "unter2"),
            Attack("(using password= NO)", hides: "NO"), Attack("password: NO)", hides: "NO"),
            Attack("client_assertion=hunter2", hides: "hunter2"), Attack("client_\u{200B}secret=hunter2", hides: "hunter2"),
        ])
    func secretsAreHidden(attack: Attack) {
        #expect(!Redactor.scrub(attack.text).contains(attack.secret))
        #expect(Redactor.scrub(attack.text).contains("<redacted>"))
    }

    @Test(
        "Ordinary words stay as they are",
        arguments: [
            "password authentication failed for user \"aad_orders\"", "The access token has expired.",
            "no pg_hba.conf entry for host \"10.0.0.4\"",
            "CN=orders.postgres.database.azure.com, O=Microsoft", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "Größe → 10 µs",
            "Access denied for user 'aad_shop'@'10.0.0.4' (using password: YES)",
            "Access denied for user 'aad_shop'@'10.0.0.4' (using password: NO)",
        ])
    func wordsStay(text: String) { #expect(Redactor.scrub(text) == text) }

    @Test(
        "What moves the cursor or turns the text round is taken out",
        arguments: [
            ("a\u{1B}[2Jb", "a [2Jb"), ("a\u{9B}31mb", "a 31mb"), ("user\u{202E}nimda", "usernimda"), ("a\r\nb\tc", "a b c"),
            ("a\u{0}b", "a b"),
            ("a\u{2028}b", "a b"), ("\u{E0041}tag", "tag"),
        ])
    func harmless(text: String, clean: String) { #expect(Redactor.scrub(text) == clean) }

    @Test("Length is bounded in scalars, so that marks on one letter cannot pile up")
    func bounded() {
        let pile = "a" + String(repeating: "\u{301}", count: 100_000)
        #expect(Redactor.scrub(pile).unicodeScalars.count <= Redactor.limit)
        #expect(Redactor.scrub(String(repeating: "x y ", count: 10_000)).unicodeScalars.count == Redactor.limit)
    }

    @Test("Everything that a failure carries is scrubbed, also what is set later")
    func failureIsScrubbed() {
        var failure = Failure(.loginRefused, during: .login, detail: Self.jwt, values: ["client_ip": "\u{1B}1"])
        #expect(failure.detail == "<redacted>")
        #expect(failure.values["client_ip"] == "1")
        failure.detail = "later \(Self.jwt)"
        failure.values["tenant"] = Self.jwt
        #expect(failure.detail == "later <redacted>")
        #expect(failure.values["tenant"] == "<redacted>")
        #expect(Evidence(.oauth, code: Self.jwt, text: "x").code == "<redacted>")
    }

    @Test("A secret has no other text than <redacted>")
    func secret() {
        let secret = Secret("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), String(describing: Optional(secret)), "\([secret])", dumped] {
            #expect(!text.contains("hunter2"))
        }
        #expect(secret.reveal { $0 } == "hunter2")
    }
}

@Suite struct TimestampTests {
    @Test(
        "What is written is read back",
        arguments: [
            "1970-01-01T00:00:00.000Z", "2026-11-22T03:04:11.123Z", "2024-02-29T23:59:59.999Z", "2000-02-29T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "9999-12-31T23:59:59.999Z", "1900-03-01T00:00:00.001Z",
        ])
    func roundTrip(text: String) { #expect(Timestamp(rfc3339: text)?.description == text) }

    @Test("Every day of two hundred years has a date of its own")
    func everyDay() {
        var last = ""
        for day in -25_567...47_482 {
            let time = Timestamp(milliseconds: Int64(day) * 86_400_000)
            let text = time.description
            if Timestamp(rfc3339: text) != time || text == last { Issue.record("\(text)") }
            last = text
        }
    }

    @Test(
        "What is no time is refused",
        arguments: [
            "", "2026-11-22", "2026-11-22T03:04:11", "2026-11-22T03:04:11+01:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-22T24:00:00Z", "2026-11-22T03:04:11.Z", "2026-11-22t03:04:11Z", "20261122T030411Z....", "2026-11-22T03:04:11.000Zx",
        ])
    func refused(text: String) { #expect(Timestamp(rfc3339: text) == nil) }

    @Test(
        "A fraction of any length counts to the millisecond",
        arguments: [
            ("2026-11-22T03:04:11Z", Int64(0)), ("2026-11-22T03:04:11.5Z", 500), ("2026-11-22T03:04:11.123456789Z", 123),
        ])
    func fraction(text: String, milliseconds: Int64) { #expect((Timestamp(rfc3339: text)?.milliseconds ?? -1) % 1000 == milliseconds) }

    @Test("No figure from outside can trap", arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e300, 1e18])
    func extremes(seconds: Double) {
        let time = Timestamp(seconds: seconds)
        #expect(Timestamp(rfc3339: time.description) != nil || seconds == .infinity || seconds >= 1e18)
        _ = (time + .seconds(Int64.max)) - Timestamp(milliseconds: .min)
        _ = Span.long(Duration.seconds(fraction: seconds))
        _ = Span.short(Duration.seconds(Int64.max))
    }

    @Test(
        "Spans are said in two units at most",
        arguments: [
            (Duration.seconds(0), "0 s"), (.seconds(40), "40 s"), (.seconds(60), "1 min"), (.seconds(1980), "33 min"),
            (.seconds(3600), "1 h"),
            (.seconds(10_080), "2 h 48 min"), (.seconds(97_200), "1 d 3 h"), (.seconds(86_400 * 41 + 7200), "41 d"), (.seconds(-5), "0 s"),
        ])
    func spans(duration: Duration, text: String) { #expect(Span.long(duration) == text) }

    @Test(
        "Short times have three figures at most",
        arguments: [
            (Duration.microseconds(420), "0.4 ms"), (.milliseconds(3), "3 ms"), (.microseconds(61_400), "61 ms"),
            (.milliseconds(2100), "2.1 s"),
            (.seconds(15), "15 s"), (.seconds(180), "3 min"), (.milliseconds(999), "999 ms"), (.microseconds(999_900), "1 s"),
        ])
    func shortSpans(duration: Duration, text: String) { #expect(Span.short(duration) == text) }
}

@Suite struct JSONTests {
    @Test(
        "Every character is escaped that has to be",
        arguments: [
            ("\"", #""\"""#), ("\\", #""\\""#), ("\n\r\t", #""\n\r\t""#), ("\u{0}\u{1F}\u{7F}", #""\u0000\u001f\u007f""#),
            ("ä→😀", "\"ä→😀\""), ("/", "\"/\""),
        ])
    func escaping(text: String, written: String) {
        #expect(JSON.string(text).compact == written)
        #expect(JSON(parsing: written)?.text == text)
    }

    @Test(
        "Numbers are written as JSON wants them",
        arguments: [
            (JSON.integer(.max), "9223372036854775807"), (.number(0.021), "0.021"), (.number(3), "3"), (.number(-0.5), "-0.5"),
            (.number(.nan), "null"),
            (.number(.infinity), "null"), (Duration.milliseconds(21).json, "0.021"), (Duration.nanoseconds(1_500_400).json, "0.0015"),
        ])
    func numbers(value: JSON, written: String) { #expect(value.compact == written) }

    @Test("Keys keep their order and absent knowledge is null")
    func order() {
        let value: JSON = ["z": 1, "a": nil as String?, "list": ["x", "y"], "empty": [] as [String]]
        #expect(value.compact == #"{"z":1,"a":null,"list":["x","y"],"empty":[]}"#)
        #expect(JSON(parsing: value.pretty) == value)
        #expect(JSON(parsing: value.compact) == value)
    }

    @Test(
        "What is not JSON is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":}", "{a:1}", "\"\u{1}\"", "nul", "1 2", "01x", "+1", "\"\\x\"", "\"\\u12\"",
            "[" + String(repeating: "[", count: 40),
            "{\"a\":1,}", "--1", "\"open",
        ])
    func refused(text: String) { #expect(JSON(parsing: text) == nil) }

    @Test("Escapes outside the basic plane are joined, lone halves replaced")
    func surrogates() {
        #expect(JSON(parsing: #""\ud83d\ude00""#)?.text == "😀")
        #expect(JSON(parsing: #""\ud83d""#)?.text == "\u{FFFD}")
        #expect(JSON(parsing: #""\ude00x""#)?.text == "\u{FFFD}x")
    }

    @Test("Whole numbers are read as identity endpoints write them: bare, or as digits in quotes")
    func wholeNumbers() {
        let value = JSON(parsing: #"{"a":1506484173,"b":"1506484173","c":1506484173.0,"d":"soon","e":1e400}"#)
        #expect(value?["a"]?.wholeNumber == 1_506_484_173)
        #expect(value?["b"]?.wholeNumber == 1_506_484_173)
        #expect(value?["c"]?.wholeNumber == 1_506_484_173)
        #expect(value?["d"]?.wholeNumber == nil)
        #expect(value?["e"]?.wholeNumber == nil)
        #expect(value?["missing"] == nil)
    }
}
