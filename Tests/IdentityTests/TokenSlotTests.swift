// The state machine of one token: pure, so every moment is a made-up one.
import Diagnosis
import Testing

@testable import Identity

@Suite struct TokenSlotTests {
    private static let start = ContinuousClock.now
    private static let wall = Timestamp(seconds: 1_800_000_000)
    private static let refusal = Failure(.entraUnavailable, during: .token)

    private func moment(_ seconds: Double) -> Moment {
        Moment(wall: Self.wall + .seconds(fraction: seconds), instant: Self.start + .seconds(fraction: seconds))
    }
    private func deadline(_ seconds: Double) -> Deadline { Deadline(moment(seconds).instant) }

    /// A token that came at `received` and ends at `expires`, both in seconds from the start.
    private func held(received: Double, expires: Double, fingerprint: UInt64 = 1) -> TokenSlot.Held {
        TokenSlot.Held(
            token: AccessToken(
                secret: Secret("t"), claims: TokenClaims(), expires: moment(expires).wall, acquired: moment(received).wall, length: 1,
                fingerprint: fingerprint),
            clientID: nil, renewAt: moment(expires / 2).wall, received: moment(received).instant)
    }

    /// A slot whose token came at 0.
    private func slot(expires: Double, fingerprint: UInt64 = 1) -> TokenSlot {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(10), isFresh: false, at: moment(0))
        _ = slot.acquired(held(received: 0, expires: expires, fingerprint: fingerprint), at: moment(0))
        return slot
    }

    /// What a caller is told, in one word.
    private func word(_ reception: TokenSlot.Reception) -> String {
        switch reception {
        case .waiting(startsFlight: true): "starts"
        case .waiting(startsFlight: false): "joins"
        case .answered(let answer): word(answer)
        }
    }
    private func word(_ answer: TokenSlot.Answer) -> String {
        switch answer {
        case .failed(let failure): failure.cause.rawValue
        case .lease(let lease): (lease.isCached ? "cached" : "new") + (lease.renewalFailure == nil ? "" : ", ill")
        }
    }
    private func words(_ release: TokenSlot.Release) -> [TokenSlot.Waiter: String] {
        Dictionary(uniqueKeysWithValues: release.map { ($0.waiter, word($0.answer)) })
    }

    struct Age: Sendable { var expires: Double; var asked: Double; var answer: String }

    @Test(
        "A token is used until five minutes before its end, and a very new one whatever its end says",
        arguments: [
            Age(expires: 3600, asked: 3299, answer: "cached"),
            Age(expires: 3600, asked: 3300, answer: "starts"),
            Age(expires: 200, asked: 29, answer: "cached"),
            Age(expires: 200, asked: 30, answer: "starts"),
            Age(expires: -100, asked: 1, answer: "cached"),
        ])
    func age(row: Age) {
        var slot = slot(expires: row.expires)
        #expect(word(slot.asked(2, until: deadline(row.asked + 10), isFresh: false, at: moment(row.asked))) == row.answer)
    }

    @Test("Many callers make one request, and all of them get its token")
    func oneRequest() {
        var slot = TokenSlot()
        let words = (1...5).map { word(slot.asked($0, until: deadline(10 + Double($0)), isFresh: false, at: moment(0))) }
        #expect(words == ["starts", "joins", "joins", "joins", "joins"])
        #expect(slot.flightDeadline == deadline(15))
        let (release, isSame) = slot.acquired(held(received: 1, expires: 3600), at: moment(1))
        #expect(self.words(release) == [1: "new", 2: "new", 3: "new", 4: "new", 5: "new"])
        #expect(!isSame)
        #expect(slot.flightDeadline == nil)
    }

    @Test("A caller that was cancelled leaves the request to the others")
    func cancelledCaller() {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(10), isFresh: false, at: moment(0))
        let wasWaiting = slot.withdrew(1)
        #expect(wasWaiting)
        #expect(slot.flightDeadline == deadline(10))
        #expect(word(slot.asked(2, until: deadline(12), isFresh: false, at: moment(1))) == "joins")
        #expect(words(slot.acquired(held(received: 2, expires: 3600), at: moment(2)).release) == [2: "new"])
    }

    @Test("A failed renewal keeps a token that has not ended, and says why it is not newer")
    func failedRenewal() {
        var slot = slot(expires: 3600)
        let starts = slot.renewalDue(until: deadline(1890), at: moment(1800))
        #expect(starts)
        let second = slot.renewalDue(until: deadline(1890), at: moment(1801))
        #expect(!second, "one request in flight")
        #expect(word(slot.asked(2, until: deadline(1820), isFresh: false, at: moment(1802))) == "cached")
        #expect(slot.failed(Self.refusal, retryAfter: nil, at: moment(1805)).isEmpty)
        #expect(word(slot.asked(3, until: deadline(1820), isFresh: false, at: moment(1806))) == "cached, ill")
        #expect(slot.failuresInRow == 1)
    }

    @Test("In its last five minutes a token still serves while the source is ill, and not after its end")
    func lastMinutes() {
        var slot = slot(expires: 3600)
        #expect(word(slot.asked(2, until: deadline(3420), isFresh: false, at: moment(3400))) == "starts")
        #expect(words(slot.tryFailed(Self.refusal, next: moment(3402).instant, at: moment(3401))) == [2: "cached, ill"])
        #expect(word(slot.asked(3, until: deadline(3420), isFresh: false, at: moment(3401))) == "cached, ill")
        #expect(slot.failed(Self.refusal, retryAfter: nil, at: moment(3405)).isEmpty)
        #expect(word(slot.asked(4, until: deadline(3420), isFresh: false, at: moment(3406))) == "cached, ill")
        #expect(word(slot.asked(5, until: deadline(3620), isFresh: false, at: moment(3601))) == "starts")
        #expect(words(slot.failed(Self.refusal, retryAfter: nil, at: moment(3602))) == [5: "entra_unavailable"])
    }

    @Test("A failure stands for five seconds, so that the next callers do not ask")
    func failureIsRemembered() {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(10), isFresh: false, at: moment(0))
        #expect(words(slot.failed(Self.refusal, retryAfter: nil, at: moment(1))) == [1: "entra_unavailable"])
        #expect(word(slot.asked(2, until: deadline(20), isFresh: false, at: moment(5.9))) == "entra_unavailable")
        #expect(word(slot.asked(3, until: deadline(20), isFresh: true, at: moment(5.9))) == "starts", "a person may ask at once")
        _ = slot.failed(Self.refusal, retryAfter: nil, at: moment(6))
        #expect(word(slot.asked(4, until: deadline(30), isFresh: false, at: moment(11.1))) == "starts")
    }

    @Test("What the source ordered holds for everybody")
    func retryAfterIsRemembered() {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(10), isFresh: false, at: moment(0))
        _ = slot.failed(Self.refusal, retryAfter: .seconds(60), at: moment(0))
        #expect(word(slot.asked(2, until: deadline(70), isFresh: true, at: moment(59))) == "entra_unavailable")
        let renewal = slot.renewalDue(until: deadline(70), at: moment(59))
        #expect(!renewal)
        #expect(word(slot.asked(3, until: deadline(70), isFresh: false, at: moment(61))) == "starts")
    }

    @Test("A caller for whom the next try comes too late learns it at once; the others wait on")
    func nextTryTooLate() {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(3), isFresh: false, at: moment(0))
        _ = slot.asked(2, until: deadline(30), isFresh: false, at: moment(0))
        #expect(words(slot.tryFailed(Self.refusal, next: moment(10).instant, at: moment(1))) == [1: "entra_unavailable"])
        #expect(word(slot.asked(3, until: deadline(9), isFresh: false, at: moment(2))) == "entra_unavailable")
        #expect(word(slot.asked(4, until: deadline(20), isFresh: false, at: moment(2))) == "joins")
        #expect(words(slot.acquired(held(received: 11, expires: 3600), at: moment(11)).release) == [2: "new", 4: "new"])
    }

    @Test("A deadline that passes tells where the request was")
    func timedOut() {
        var slot = TokenSlot()
        _ = slot.asked(1, until: deadline(3), isFresh: false, at: moment(0))
        _ = slot.asked(2, until: deadline(3), isFresh: false, at: moment(0))
        let queued = slot.timedOut(1)
        #expect(queued?.stage == .queued)
        slot.sent(at: moment(1))
        let asking = slot.timedOut(2)
        #expect(asking?.stage == .asking(since: moment(1).instant))
        let again = slot.timedOut(2)
        #expect(again == nil, "answered once")
    }

    @Test("A discarded token is asked for anew, unless it has only just come")
    func discarding() {
        var slot = slot(expires: 86_400)
        slot.discarded(at: moment(10))
        #expect(
            word(slot.asked(2, until: deadline(20), isFresh: false, at: moment(11))) == "cached",
            "another check's complaint about the one before")
        slot.discarded(at: moment(40))
        #expect(word(slot.asked(3, until: deadline(60), isFresh: false, at: moment(41))) == "starts")
        #expect(words(slot.failed(Self.refusal, retryAfter: nil, at: moment(42))) == [3: "entra_unavailable"])
        #expect(word(slot.asked(4, until: deadline(60), isFresh: false, at: moment(43))) == "cached, ill", "the best there is")
    }

    @Test("The same token again is noticed, also after it was discarded")
    func sameToken() {
        var slot = slot(expires: 86_400, fingerprint: 7)
        slot.discarded(at: moment(100))
        _ = slot.asked(2, until: deadline(120), isFresh: false, at: moment(101))
        #expect(slot.acquired(held(received: 102, expires: 86_400, fingerprint: 7), at: moment(102)).isSameToken)
        _ = slot.renewalDue(until: deadline(300), at: moment(200))
        #expect(!slot.acquired(held(received: 201, expires: 86_400, fingerprint: 8), at: moment(201)).isSameToken)
    }

    @Test("A token that has ended does not replace one that has not")
    func worseToken() {
        let slot = slot(expires: 86_400)
        #expect(slot.isWorse(held(received: 10, expires: -5).token, at: moment(10)))
        #expect(!slot.isWorse(held(received: 10, expires: 500).token, at: moment(10)))
        #expect(!TokenSlot().isWorse(held(received: 10, expires: -5).token, at: moment(10)), "better than nothing")
    }

    @Test("Whoever wants a fresh token gets no other, and nobody else suffers from it")
    func freshOnly() {
        var slot = slot(expires: 86_400)
        #expect(word(slot.asked(2, until: deadline(60), isFresh: true, at: moment(50))) == "starts")
        #expect(word(slot.asked(3, until: deadline(60), isFresh: false, at: moment(50))) == "cached")
        #expect(words(slot.failed(Self.refusal, retryAfter: nil, at: moment(51))) == [2: "entra_unavailable"])
        #expect(word(slot.asked(4, until: deadline(60), isFresh: false, at: moment(52))) == "cached, ill")
    }

    @Test("A success after a failure is confirmed half a minute later, once")
    func confirmation() {
        var slot = slot(expires: 86_400)
        func due(_ after: Double) -> Double? {
            slot.lastEnded.map { ended in
                let next = RenewalPlan.next(
                    after: ended, failuresInRow: slot.failuresInRow, isRecovery: slot.isRecovery, renewAt: slot.held?.renewAt,
                    now: moment(after), random: 0.5)
                return ((next - ended).seconds * 1000).rounded() / 1000
            }
        }
        #expect(due(0) == 300)
        let isDue = slot.renewalDue(until: deadline(310), at: moment(300))
        #expect(isDue)
        _ = slot.failed(Self.refusal, retryAfter: nil, at: moment(301))
        #expect(due(301) == 30)
        for (asked, expected) in [(331.0, 30.0), (362, 300)] {
            let isDue = slot.renewalDue(until: deadline(asked + 10), at: moment(asked))
            #expect(isDue)
            _ = slot.acquired(held(received: asked, expires: 86_400), at: moment(asked))
            #expect(due(asked) == expected)
        }
    }
}

@Suite struct ScheduleOfRequestsTests {
    struct Series: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var source: TokenSourceKind
        var symptom: RetrySchedule.Symptom
        var pauses: [Duration]
    }

    // Source: fact sheet "Identity" 5.2 and 5.3.
    @Test(
        "Each source is asked again as its SDKs do it",
        arguments: [
            Series(
                testDescription: "imds 404", source: .imds, symptom: .status(404, retryAfter: nil),
                pauses: [.seconds(1), .seconds(2), .seconds(4)]),
            Series(
                testDescription: "imds 429", source: .imds, symptom: .status(429, retryAfter: nil),
                pauses: [.seconds(1), .seconds(2), .seconds(4)]),
            Series(
                testDescription: "imds 429 with a wish", source: .imds, symptom: .status(429, retryAfter: .seconds(3)),
                pauses: [.seconds(3), .seconds(3), .seconds(4)]),
            Series(
                testDescription: "imds 599", source: .imds, symptom: .status(599, retryAfter: nil),
                pauses: [.seconds(1), .seconds(2), .seconds(4)]),
            Series(
                testDescription: "imds 410", source: .imds, symptom: .status(410, retryAfter: nil),
                pauses: Array(repeating: .seconds(10), count: 7)),
            Series(testDescription: "imds 400", source: .imds, symptom: .status(400, retryAfter: .seconds(1)), pauses: []),
            Series(testDescription: "imds refused", source: .imds, symptom: .refused, pauses: []),
            Series(testDescription: "imds silent", source: .imds, symptom: .noAnswer, pauses: []),
            Series(
                testDescription: "app 404", source: .appService, symptom: .status(404, retryAfter: nil),
                pauses: Array(repeating: .seconds(1), count: 3)),
            Series(
                testDescription: "app 408", source: .appService, symptom: .status(408, retryAfter: nil),
                pauses: Array(repeating: .seconds(1), count: 3)),
            Series(
                testDescription: "app 504", source: .appService, symptom: .status(504, retryAfter: nil),
                pauses: Array(repeating: .seconds(1), count: 3)),
            Series(testDescription: "app 502", source: .appService, symptom: .status(502, retryAfter: nil), pauses: []),
            Series(testDescription: "app 410", source: .appService, symptom: .status(410, retryAfter: nil), pauses: []),
            Series(testDescription: "app refused", source: .appService, symptom: .refused, pauses: Array(repeating: .seconds(1), count: 3)),
        ])
    func series(row: Series) {
        var schedule = RetrySchedule(source: row.source)
        var pauses: [Duration] = []
        while let pause = schedule.pause(after: row.symptom), pauses.count < 20 { pauses.append(pause) }
        #expect(pauses == row.pauses)
    }

    struct Wish: Sendable { var text: String?; var duration: Duration? }

    @Test(
        "Retry-After is read as seconds and as a date, and has a limit",
        arguments: [
            Wish(text: nil, duration: nil), Wish(text: "7", duration: .seconds(7)), Wish(text: "0", duration: .zero),
            Wish(text: "86400", duration: .seconds(120)), Wish(text: "-1", duration: nil), Wish(text: "soon", duration: nil),
            Wish(text: "99999999999999999999", duration: nil),
            Wish(text: "Fri, 15 Jan 2027 08:00:30 GMT", duration: .seconds(30)),
            Wish(text: "Fri, 15 Jan 2027 07:00:00 GMT", duration: .zero),
            Wish(text: "Fri, 15 Jan 2037 08:00:30 GMT", duration: .seconds(120)),
            Wish(text: "Fri, 15 Foo 2027 08:00:30 GMT", duration: nil),
        ])
    func retryAfter(row: Wish) {
        #expect(RetrySchedule.retryAfter(row.text, now: Timestamp(seconds: 1_800_000_000)) == row.duration)
    }

    struct Life: Sendable { var seconds: Double; var random: Double; var renewed: Double }

    @Test(
        "Renewal comes at half life for long tokens, ten minutes before the end for others, spread by a tenth",
        arguments: [
            Life(seconds: 86_400, random: 0.5, renewed: 43_200), Life(seconds: 86_400, random: 0, renewed: 38_880),
            Life(seconds: 7200, random: 0.5, renewed: 3600), Life(seconds: 3600, random: 0.5, renewed: 3000),
            Life(seconds: 3600, random: 0, renewed: 3060), Life(seconds: 1000, random: 0.5, renewed: 500),
            Life(seconds: -50, random: 0.5, renewed: 30),
        ])
    func renewal(row: Life) {
        let now = Timestamp(seconds: 1_800_000_000)
        let token = AccessToken(
            secret: Secret("t"), claims: TokenClaims(), expires: now + .seconds(fraction: row.seconds), acquired: now, length: 1,
            fingerprint: 0)
        #expect(RenewalPlan.renewal(of: token, random: row.random) == now + .seconds(fraction: row.renewed))
    }

    @Test("A thousand tokens that came together are renewed over a fifth of half a life")
    func jitter() {
        let now = Timestamp(seconds: 1_800_000_000)
        let token = AccessToken(
            secret: Secret("t"), claims: TokenClaims(), expires: now + .seconds(86_400), acquired: now, length: 1, fingerprint: 0)
        let times = (0..<1000).map { (RenewalPlan.renewal(of: token, random: Double($0) / 1000) - now).seconds }.sorted()
        #expect(times.allSatisfy { $0 >= 38_880 && $0 <= 47_520 })
        // No minute of the spread has more than its share.
        let fullest = Dictionary(grouping: times, by: { Int($0 / 60) }).values.map(\.count).max() ?? 0
        #expect(fullest <= 8)
    }

    @Test("An endpoint is asked every five minutes, sooner when renewal is due or the last question failed")
    func nextQuestion() {
        let start = ContinuousClock.now
        let now = Moment(wall: Timestamp(seconds: 1_800_000_000), instant: start)
        func seconds(_ failures: Int, renewIn: Double?) -> Double {
            let next = RenewalPlan.next(
                after: start, failuresInRow: failures, renewAt: renewIn.map { now.wall + .seconds(fraction: $0) }, now: now, random: 0.5)
            return ((next - start).seconds * 1000).rounded() / 1000
        }
        #expect(seconds(0, renewIn: 43_200) == 300)
        #expect(seconds(0, renewIn: 100) == 100)
        #expect(seconds(0, renewIn: -5) == 30, "never a loop")
        #expect((1...6).map { seconds($0, renewIn: nil) } == [30, 60, 120, 240, 300, 300])
    }

    @Test("The first questions of many identities are spread over a minute")
    func offsets() {
        #expect((0..<4).map { RenewalPlan.offset(index: $0, count: 4) } == [.zero, .seconds(15), .seconds(30), .seconds(45)])
    }

    @Test("Places are limited, starts are spaced, and those who wait are served in order")
    func pace() {
        let start = ContinuousClock.now
        func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }
        var pace = PaceState()
        #expect(pace.entered(1, at: start) == .start(at: start))
        #expect(pace.entered(2, at: start) == .start(at: after(250)))
        #expect(pace.entered(3, at: start) == .queued)
        #expect(pace.entered(4, at: start) == .queued)
        #expect(pace.entered(5, at: start) == .queued)
        let third = pace.left(at: after(50))
        #expect(third?.visitor == 3 && third?.start == after(500))
        let withdrew = pace.withdrew(4)
        #expect(withdrew)
        pace.held(until: after(5000))
        let fifth = pace.left(at: after(600))
        #expect(fifth?.visitor == 5 && fifth?.start == after(5000))
        let nobody = pace.left(at: after(700))
        #expect(nobody == nil)
        #expect(pace.entered(6, at: after(6000)) == .start(at: after(6000)))
    }

    @Test("When the endpoint asks for quiet, those who already had their moment keep it as well")
    func quiet() {
        let start = ContinuousClock.now
        func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }
        var pace = PaceState()
        #expect(pace.enteredIfFree(at: after(0)) == after(0))
        #expect(pace.enteredIfFree(at: after(0)) == after(250))
        pace.held(until: after(2000))
        let moments = [250, 2000, 2100, 2250].map { pace.starts(at: after($0)) }
        #expect(moments == [after(2000), nil, after(2250), nil])
    }

    @Test("A start that came late pushes the next one away")
    func lateStart() {
        let start = ContinuousClock.now
        func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }
        var pace = PaceState()
        let moments = [100, 250, 349, 350, 700].map { pace.starts(at: after($0)) }
        #expect(moments == [nil, after(350), after(350), nil, nil])
    }

    @Test("Those who wait are sent away when nobody can connect, and the places are given back as ever")
    func emptied() {
        let start = ContinuousClock.now
        var pace = PaceState()
        for visitor in 1...4 as ClosedRange<UInt64> { _ = pace.entered(visitor, at: start) }
        let sentAway = pace.emptied()
        #expect(sentAway == [3, 4])
        #expect(pace.entered(5, at: start) == .queued)
        #expect(pace.left(at: start)?.visitor == 5)
        #expect(pace.left(at: start) == nil && pace.left(at: start) == nil)
        #expect(pace.enteredIfFree(at: start) != nil)
    }
}
