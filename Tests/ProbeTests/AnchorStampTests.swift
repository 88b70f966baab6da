// What a verdict of the whole store is worth when the store changes before the verdict is kept.
import Certificates
import Dispatch
import Glibc
import Synchronization
import Testing

@Suite struct AnchorStampTests {
    @Test("An anchor that was vouched for before the store changed is not trusted after it")
    func changedMeanwhile() async throws {
        let path = "/tmp/anchors-\(getpid())-\(UInt64.random(in: 0...UInt64.max)).pem"
        defer { _ = unsafe unlink(path) }
        func write(_ text: String, at second: Int) {
            let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
            _ = unsafe text.withCString { unsafe Glibc.write(file, $0, strlen($0)) }
            let times = [timespec(tv_sec: second, tv_nsec: 0), timespec(tv_sec: second, tv_nsec: 0)]
            _ = unsafe times.withUnsafeBufferPointer { unsafe futimens(file, $0.baseAddress) }
            _ = close(file)
        }
        write("one", at: 1000)
        let watch = TrustWatch()
        let anchors = TrustAnchors(caFile: path, watch: watch)
        await watch.looked()
        let before = anchors.currentStamp()
        write("two", at: 2000)
        await watch.looked()
        try anchors.adopt(anchorPEM: Array("anchor".utf8), vouchedAt: before)
        #expect(anchors.file?.path == path, "only the configured file is left")
        try anchors.adopt(anchorPEM: Array("anchor".utf8), vouchedAt: anchors.currentStamp())
        #expect(anchors.file?.path != path)
    }

    /// A file system whose looks hang when a test wants it.
    private final class Disk: Sendable {
        private let state = Mutex<(time: Int64, hanging: DispatchSemaphore?)>((1, nil))
        let clock = Mutex(ContinuousClock.now)
        let (looks, look) = AsyncStream<String>.makeStream()

        func change() { state.withLock { $0.time += 1 } }
        func hang() { state.withLock { $0.hanging = DispatchSemaphore(value: 0) } }
        func recover() {
            state.withLock { state in
                for _ in 0..<100 { state.hanging?.signal() }
                state.hanging = nil
            }
        }

        func time(_ path: String) -> Int64 {
            let hanging = state.withLock(\.hanging)
            if hanging != nil { look.yield(path) }
            hanging?.wait()
            return state.withLock(\.time)
        }
    }

    @Test(
        "A look that hangs holds nobody up: what was vouched for stays in use, and is asked anew when the disk answers with a change",
        .timeLimit(.minutes(1)))
    func hangingDisk() async throws {
        let disk = Disk()
        let watch = TrustWatch(look: { disk.time($0) }, now: { disk.clock.withLock { $0 } })
        let anchors = TrustAnchors(caFile: nil, watch: watch)
        await watch.looked()
        try anchors.adopt(anchorPEM: Array("anchor".utf8), vouchedAt: anchors.currentStamp())
        let adopted = try #require(anchors.file)
        disk.hang()
        disk.change()
        for await _ in disk.looks { break }
        #expect(anchors.file === adopted, "as it was seen last")
        disk.clock.withLock { $0 += TrustWatch.patience * 2 }
        let began = ContinuousClock.now
        for _ in 0..<100 { #expect(anchors.file === adopted) }
        let unknown = anchors.currentStamp()
        #expect(unknown == TrustAnchors(caFile: nil, watch: TrustWatch(look: { disk.time($0) })).currentStamp(), "not known")
        #expect(ContinuousClock.now - began < .seconds(5))
        // Another server whose store could not be stamped works meanwhile.
        let other = TrustAnchors(caFile: nil, watch: watch)
        try other.adopt(anchorPEM: Array("another".utf8), vouchedAt: unknown)
        #expect(other.file != nil)
        disk.recover()
        await watch.looked()
        #expect(anchors.file == nil, "it has changed meanwhile")
        #expect(other.file == nil, "nobody knows whether it was the same store")
    }

    @Test("A file that nobody uses any more is not looked at", .timeLimit(.minutes(1)))
    func forgotten() async {
        let looks = Mutex(0)
        let watch = TrustWatch(look: { _ in
            looks.withLock {
                $0 += 1; return 1
            }
        })
        do {
            let anchors = TrustAnchors(caFile: "/nowhere", watch: watch)
            await watch.looked()
            #expect(anchors.currentStamp() == anchors.currentStamp())
        }
        let before = looks.withLock { $0 }
        #expect(before >= 2)
        await watch.looked()
        #expect(looks.withLock { $0 } == before)
    }
}
