// The owners of libcurl's two kinds of handle, and the only file of the target that calls the C library.
import CCurl
import Diagnosis

/// Initialises libcurl for the process. Safe to call from everywhere and as often as one likes; the work is done once.
enum CurlLibrary {
    static func prepare() -> Bool { isReady }
    private static let isReady: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
}

/// Owns one easy handle: one transfer from its options to its timings.
///
/// **Isolation**: the client's thread.
@safe struct EasyHandle: ~Copyable {
    private let pointer: UnsafeMutableRawPointer
    private let words: UnsafeMutablePointer<CChar>
    private var headers: UnsafeMutablePointer<curl_slist>?

    /// - Returns: nil when memory is short.
    init?() {
        guard CurlLibrary.prepare(), let pointer = unsafe curl_easy_init() else { return nil }
        unsafe self.pointer = pointer
        unsafe words = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        unsafe headers = nil
    }

    deinit {
        // The handle first: it refers to the list and to the buffer.
        unsafe curl_easy_cleanup(pointer)
        unsafe curl_slist_free_all(headers)
        unsafe words.deallocate()
    }

    /// What tells this handle from the others of the same multi handle.
    var key: UInt { unsafe UInt(bitPattern: pointer) }

    /// Sets every option of the transfer. `sink` must outlive the handle.
    ///
    /// **Throws**: `request` when libcurl refuses an option or a header is not printable.
    mutating func configure(_ request: HTTPRequest, milliseconds: Int, sink: TransferSink) throws(CurlFailure) {
        // Owned thread, no signals; one connection per transfer, so that a dead kept connection can never be the news.
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_VERBOSE, 0)
        try set(CURLOPT_FOLLOWLOCATION, 0)
        try set(CURLOPT_FRESH_CONNECT, 1)
        try set(CURLOPT_FORBID_REUSE, 1)
        try set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        try set(CURLOPT_SSL_VERIFYPEER, 1)
        try set(CURLOPT_SSL_VERIFYHOST, 2)
        try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        try set(CURLOPT_TIMEOUT_MS, max(1, milliseconds))
        try set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int((request.connectTimeout.seconds * 1000).rounded(.up))))
        try check(unsafe ccurl_allow_http_only(pointer))
        try check(unsafe ccurl_never_wait_for_lookups(pointer))
        // An empty proxy switches the proxy variables of the environment off; the pattern says the same once more.
        try set(CURLOPT_PROXY, "")
        try set(CURLOPT_NOPROXY, "*")
        try set(CURLOPT_URL, request.url)
        if let socket = request.socket { try set(CURLOPT_UNIX_SOCKET_PATH, socket) }
        try check(unsafe ccurl_set_large(pointer, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(request.bodyLimit)))
        try check(unsafe ccurl_set_error_buffer(pointer, words))
        try setBody(of: request)
        for header in request.headers { try append(header) }
        try check(unsafe ccurl_set_list(pointer, CURLOPT_HTTPHEADER, headers))
        let context = unsafe Unmanaged.passUnretained(sink).toOpaque()
        try check(unsafe ccurl_set_header_sink(pointer, takeHeader, context))
        try check(unsafe ccurl_set_body_sink(pointer, takeBody, context))
    }

    /// libcurl's words about the failure, else the general ones of the number.
    func text(for code: CURLcode) -> String {
        let own = unsafe String(cString: words)
        return own.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : own
    }

    var status: Int {
        var value = 0
        return unsafe ccurl_get_long(pointer, CURLINFO_RESPONSE_CODE, &value) == CURLE_OK ? value : 0
    }

    var systemError: Int32? {
        var value = 0
        guard unsafe ccurl_get_long(pointer, CURLINFO_OS_ERRNO, &value) == CURLE_OK, value > 0 else { return nil }
        return Int32(truncatingIfNeeded: value)
    }

    var timings: HTTPReply.Timings {
        var timings = HTTPReply.Timings()
        timings.nameLookup = time(CURLINFO_NAMELOOKUP_TIME_T)
        timings.connect = time(CURLINFO_CONNECT_TIME_T)
        timings.tls = time(CURLINFO_APPCONNECT_TIME_T)
        timings.firstByte = time(CURLINFO_STARTTRANSFER_TIME_T)
        timings.total = time(CURLINFO_TOTAL_TIME_T)
        return timings
    }

    /// Whether the request was sent, as far as libcurl knows. **Unit** of the counter: bytes.
    var hasSentRequest: Bool {
        var value = 0
        return unsafe ccurl_get_long(pointer, CURLINFO_REQUEST_SIZE, &value) == CURLE_OK && value > 0
    }

    fileprivate func lend<R>(_ body: (UnsafeMutableRawPointer) -> R) -> R { unsafe body(pointer) }

    private func time(_ info: CURLINFO) -> Duration {
        var value: curl_off_t = 0
        return unsafe ccurl_get_large(pointer, info, &value) == CURLE_OK ? .microseconds(Int64(value)) : .zero
    }

    private func set(_ option: CURLoption, _ value: Int) throws(CurlFailure) { try check(unsafe ccurl_set_long(pointer, option, value)) }

    private func set(_ option: CURLoption, _ value: String) throws(CurlFailure) {
        // A zero byte would cut the text short and change what is asked.
        guard !value.utf8.contains(0) else { throw CurlFailure(.request, text: "a zero byte in an option") }
        try check(unsafe value.withCString { unsafe ccurl_set_text(pointer, option, $0) })
    }

    private mutating func setBody(of request: HTTPRequest) throws(CurlFailure) {
        guard request.method == .post || request.body != nil else { return }
        try set(CURLOPT_POST, 1)
        let body = request.body ?? []
        try check(
            unsafe body.withUnsafeBytes { bytes in
                // An empty array has no address, and a null body would make libcurl read standard input.
                guard let start = bytes.baseAddress, unsafe !bytes.isEmpty else { return unsafe ccurl_set_body(pointer, "", 0) }
                return unsafe ccurl_set_body(pointer, start, curl_off_t(bytes.count))
            })
        // Without this libcurl waits a second for "100 Continue" before longer bodies.
        try append(HTTPRequest.Header("Expect", ""))
    }

    private mutating func append(_ header: HTTPRequest.Header) throws(CurlFailure) {
        let list = unsafe try header.value.reveal { value throws(CurlFailure) in
            let isClean = (header.name + value).utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
            guard isClean, !header.name.isEmpty else {
                throw CurlFailure(.request, text: "the value of the header \(header.name) has control characters in it")
            }
            // "Name:" alone takes a header away; an empty value has to be written "Name;".
            let line = value.isEmpty ? (header.name == "Expect" ? "Expect:" : "\(header.name);") : "\(header.name): \(value)"
            return unsafe line.withCString { unsafe curl_slist_append(headers, $0) }
        }
        guard let list = unsafe list else { throw CurlFailure(.request, text: "no memory for a header") }
        unsafe headers = unsafe list
    }

    private func check(_ code: CURLcode) throws(CurlFailure) {
        guard code != CURLE_OK else { return }
        throw CurlFailure(.request, code: Int32(code.rawValue), text: unsafe String(cString: curl_easy_strerror(code)))
    }
}

/// Owns the multi handle, on which all transfers of a client run.
///
/// **Isolation**: the client's thread, ``wake()`` excepted, which libcurl allows from every thread.
@safe struct MultiHandle: ~Copyable, @unchecked Sendable {
    // Unchecked because of the pointer: its one user is the thread, and `wake()` is called under the mailbox lock before the
    // thread has ended, so never on a freed handle.
    private let pointer: UnsafeMutableRawPointer

    init?() {
        guard CurlLibrary.prepare(), let pointer = unsafe curl_multi_init() else { return nil }
        unsafe self.pointer = pointer
    }

    deinit { unsafe _ = curl_multi_cleanup(pointer) }

    /// Ends the current or the next ``poll(milliseconds:)``.
    func wake() { unsafe _ = curl_multi_wakeup(pointer) }

    func add(_ easy: borrowing EasyHandle) -> Bool {
        unsafe easy.lend { handle in unsafe curl_multi_add_handle(pointer, handle) == CURLM_OK }
    }

    /// Closes the transfer's connection; must come before the easy handle ends.
    func remove(_ easy: borrowing EasyHandle) {
        unsafe easy.lend { handle in unsafe _ = curl_multi_remove_handle(pointer, handle) }
    }

    /// Moves every transfer as far as it goes without waiting.
    func perform() -> Bool {
        var running: CInt = 0
        return unsafe curl_multi_perform(pointer, &running) == CURLM_OK
    }

    /// Waits for a socket, a timer of libcurl's own, or ``wake()``.
    func poll(milliseconds: Int32) -> Bool {
        var ready: CInt = 0
        return unsafe curl_multi_poll(pointer, nil, 0, milliseconds, &ready) == CURLM_OK
    }

    /// The next transfer that is over, by ``EasyHandle/key``.
    func nextFinished() -> (key: UInt, code: CURLcode)? {
        var left: CInt = 0
        while let message = unsafe curl_multi_info_read(pointer, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE else { continue }
            return unsafe (UInt(bitPattern: message.pointee.easy_handle), message.pointee.data.result)
        }
        return nil
    }
}

// Both callbacks copy and return. They answer with the number of bytes taken; any other number ends the transfer.

private func takeHeader(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    let sink = unsafe Unmanaged<TransferSink>.fromOpaque(context).takeUnretainedValue()
    let line = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    return unsafe sink.take(header: Array(line)) ? size * count : 0
}

private func takeBody(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let bytes = unsafe bytes, let context = unsafe context else { return 0 }
    let sink = unsafe Unmanaged<TransferSink>.fromOpaque(context).takeUnretainedValue()
    let part = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
    return unsafe sink.take(body: Array(part)) ? size * count : 0
}
