// What a verdict of the whole store is worth when the store changes before the verdict is kept.
import Certificates
import Glibc
import Testing

@Suite struct AnchorStampTests {
    @Test("An anchor that was vouched for before the store changed is not trusted after it")
    func changedMeanwhile() throws {
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
        let anchors = TrustAnchors(caFile: path)
        let before = anchors.currentStamp()
        write("two", at: 2000)
        try anchors.adopt(anchorPEM: Array("anchor".utf8), vouchedAt: before)
        #expect(anchors.file?.path == path, "only the configured file is left")
        try anchors.adopt(anchorPEM: Array("anchor".utf8), vouchedAt: anchors.currentStamp())
        #expect(anchors.file?.path != path)
    }
}
