// The loop of the client's thread: takes orders out of a mailbox and lets libcurl work.
import CCurl
import Diagnosis
import Synchronization

/// Runs all transfers of one client on the thread that calls ``run()``.
///
/// Waiting is libcurl's own: `curl_multi_poll`, ended early by `curl_multi_wakeup`.
final class TransferLoop: Sendable {
    /// One transfer as ordered by a caller.
    struct Order: Sendable {
        var id: UInt64
        var request: HTTPRequest
        var deadline: Deadline
        var continuation: CheckedContinuation<Result<HTTPReply, CurlFailure>, Never>
    }

    private struct Mailbox {
        var orders: [Order] = []
        var cancelled: Set<UInt64> = []
        var isStopping = false
        var hasEnded = false
        var onEnd: [CheckedContinuation<Void, Never>] = []
    }

    /// A transfer on its way. Lives on the thread alone.
    private final class Transfer {
        let order: Order
        let sink: TransferSink
        var easy: EasyHandle

        init(order: Order, easy: consuming EasyHandle) throws(CurlFailure) {
            self.order = order
            sink = TransferSink(bodyLimit: order.request.bodyLimit)
            self.easy = easy
            try self.easy.configure(order.request, milliseconds: order.deadline.remainingMilliseconds, sink: sink)
        }
    }

    private let multi: MultiHandle
    private let mailbox = Mutex(Mailbox())

    init?() {
        guard let multi = MultiHandle() else { return nil }
        self.multi = multi
    }

    /// - Returns: false when the loop is stopping; the continuation is then still the caller's.
    func start(_ order: Order) -> Bool {
        mailbox.withLock { mailbox in
            guard !mailbox.isStopping else { return false }
            mailbox.orders.append(order)
            multi.wake()
            return true
        }
    }

    func cancel(_ id: UInt64) {
        mailbox.withLock { mailbox in
            guard !mailbox.hasEnded else { return }
            mailbox.cancelled.insert(id)
            multi.wake()
        }
    }

    func stop() {
        mailbox.withLock { mailbox in
            guard !mailbox.hasEnded else { return }
            mailbox.isStopping = true
            multi.wake()
        }
    }

    /// Waits until ``run()`` is about to return.
    func end() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isOver = mailbox.withLock { mailbox in
                if !mailbox.hasEnded { mailbox.onEnd.append(continuation) }
                return mailbox.hasEnded
            }
            if isOver { continuation.resume() }
        }
    }

    /// Works until ``stop()``. **Isolation**: the thread of the client, and no other.
    func run() {
        var transfers: [UInt: Transfer] = [:]
        var isStopping = false
        while !isStopping {
            let orders = mailbox.withLock { mailbox in
                defer { (mailbox.orders, mailbox.cancelled) = ([], []) }
                isStopping = mailbox.isStopping
                return (new: mailbox.orders, cancelled: mailbox.cancelled)
            }
            for order in orders.new { begin(order, in: &transfers) }
            if !orders.cancelled.isEmpty {
                for transfer in transfers.values where orders.cancelled.contains(transfer.order.id) {
                    end(transfer, with: .failure(CurlFailure(.cancelled, text: "cancelled")), in: &transfers)
                }
            }
            if isStopping { break }
            let isWorking = multi.perform()
            while let (key, code) = multi.nextFinished() {
                guard let transfer = transfers[key] else { continue }
                end(transfer, with: result(of: transfer, code: code), in: &transfers)
            }
            guard isWorking, multi.poll(milliseconds: 3_600_000) else {
                // Only our own misuse or exhausted memory ends here; every caller gets an answer and later ones a closed client.
                mailbox.withLock { $0.isStopping = true }
                continue
            }
        }
        for transfer in transfers.values {
            end(transfer, with: .failure(CurlFailure(.closed, text: "the client was closed")), in: &transfers)
        }
        let (orders, waiting) = mailbox.withLock { mailbox in
            defer { (mailbox.orders, mailbox.onEnd) = ([], []) }
            mailbox.isStopping = true
            mailbox.hasEnded = true
            return (mailbox.orders, mailbox.onEnd)
        }
        for order in orders { order.continuation.resume(returning: .failure(CurlFailure(.closed, text: "the client was closed"))) }
        for continuation in waiting { continuation.resume() }
    }

    private func begin(_ order: Order, in transfers: inout [UInt: Transfer]) {
        do throws(CurlFailure) {
            guard !order.deadline.isPassed else { throw CurlFailure(.deadline, text: "no time was left to send the request") }
            guard let easy = EasyHandle() else { throw CurlFailure(.transfer, code: 27, text: "no memory for a transfer") }
            let transfer = try Transfer(order: order, easy: easy)
            guard multi.add(transfer.easy) else { throw CurlFailure(.transfer, code: 27, text: "no memory for a transfer") }
            transfers[transfer.easy.key] = transfer
        } catch {
            order.continuation.resume(returning: .failure(error))
        }
    }

    private func end(_ transfer: Transfer, with result: Result<HTTPReply, CurlFailure>, in transfers: inout [UInt: Transfer]) {
        multi.remove(transfer.easy)
        transfers[transfer.easy.key] = nil
        transfer.order.continuation.resume(returning: result)
    }

    private func result(of transfer: Transfer, code: CURLcode) -> Result<HTTPReply, CurlFailure> {
        let timings = transfer.easy.timings
        if code == CURLE_OK {
            return .success(
                HTTPReply(
                    status: transfer.easy.status, headers: transfer.sink.headers, body: transfer.sink.body, timings: timings))
        }
        // A peer that does not speak HTTP at all is, to libcurl, an unsupported protocol: the number of a URL that we must not use.
        let code = code == CURLE_UNSUPPORTED_PROTOCOL && timings.connect > .zero ? CURLE_WEIRD_SERVER_REPLY : code
        let kind: CurlFailure.Kind =
            switch code {
            case CURLE_WRITE_ERROR where transfer.sink.isOverLimit, CURLE_FILESIZE_EXCEEDED: .bodyTooLarge
            case CURLE_OPERATION_TIMEDOUT where transfer.order.deadline.remaining < .milliseconds(20): .deadline
            case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .request
            default: .transfer
            }
        let step: CurlFailure.Step =
            if kind == .request {
                .prepare
            } else if timings.nameLookup == .zero {
                .resolve
            } else if timings.connect == .zero {
                .connect
            } else if transfer.easy.hasSentRequest {
                .receive
            } else {
                transfer.order.request.url.lowercased().hasPrefix("https:") && timings.tls == .zero ? .tls : .send
            }
        return .failure(
            CurlFailure(
                kind, code: Int32(code.rawValue), text: transfer.easy.text(for: code), step: step, elapsed: timings.total,
                systemError: transfer.easy.systemError))
    }
}
