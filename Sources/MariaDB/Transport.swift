// The way libmariadb reads and writes: our own socket in place of its own, so that it looks up no name, opens no connection and waits no
// longer than the probe.
//
// The library reaches its transport through a table of functions, one per connection, taken from a plugin by name. `MariaDBLibrary` puts
// ours there. What passes in the clear is decided here: the greeting that was read before, and one request for TLS, nothing else.
import CMariaDB
import Certificates
import Diagnosis
import Glibc

/// One connected socket, lent to libmariadb, and what happened on it.
///
/// **Isolation**: unchecked because it belongs to the one thread that works for its connection; ``interrupt()`` alone comes from elsewhere
/// and only shuts down a descriptor that stays open as long as this value lives.
@safe final class Transport: @unchecked Sendable {
    let descriptor: Int32
    let watch: HandshakeWatch
    private let token: Secret<String>?
    private var greeting: ArraySlice<UInt8>
    var deadline: Deadline
    /// Whether a wait ended at the deadline.
    private(set) var hasTimedOut = false
    /// The errno of the last read or write that failed.
    private(set) var code: Int32 = 0
    private(set) var hasAskedForTLS = false
    private(set) var sentToken = false
    /// The plugin that the server asked for last, when that is not the one for tokens.
    private(set) var otherPlugin: String?
    /// What the server asked for though it must not.
    private(set) var excessiveRequest: String?
    private var requests = 0
    /// Most plugins that a server may ask for one after the other: MariaDB's accounts know several ways in.
    private static let requestLimit = 2
    /// Whether the server asked for a file of this host.
    private(set) var askedForFile = false

    /// - Parameters:
    ///   - descriptor: not blocking; closed with this value.
    ///   - greeting: what the library shall read first.
    init(_ descriptor: Int32, greeting: [UInt8], token: Secret<String>?, watch: HandshakeWatch, deadline: Deadline) {
        self.descriptor = descriptor
        self.greeting = greeting[...]
        self.token = token
        self.watch = watch
        self.deadline = deadline
    }

    deinit { _ = Glibc.close(descriptor) }

    /// Ends whatever the thread waits for.
    func interrupt() { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Reads without taking away. **Source**: recv(2), MSG_PEEK, whose name the optimised build does not find in Glibc's module.
    private static let peek: Int32 = 0x02

    /// Whether the peer neither left nor broke the connection. What it sent before it broke it may still lie unread.
    var peerIsThere: Bool {
        var item = pollfd(fd: descriptor, events: 0, revents: 0)
        guard unsafe poll(&item, 1, 0) >= 0, item.revents & Int16(POLLERR | POLLHUP) == 0 else { return false }
        var byte: UInt8 = 0
        let seen = unsafe Glibc.recv(descriptor, &byte, 1, Self.peek | Int32(MSG_DONTWAIT))
        return !watch.peerHasClosed && (seen > 0 || seen < 0 && errno == EAGAIN)
    }

    // MARK: What the library calls

    /// Only the greeting: whatever a peer sends in the clear behind it stays unread, or it would pass for something said inside TLS.
    fileprivate func read(_ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int) -> Int {
        guard let buffer = unsafe buffer, !greeting.isEmpty else {
            errno = EPROTO
            return -1
        }
        let part = Array(greeting.prefix(length))
        greeting = greeting.dropFirst(part.count)
        unsafe part.withUnsafeBufferPointer { unsafe buffer.update(from: $0.baseAddress ?? UnsafePointer(buffer), count: $0.count) }
        return part.count
    }

    /// Only the request for TLS. **Source**: MySQL documentation, "Protocol::SSLRequest": 32 bytes, packet number 1, flag 0x0800.
    fileprivate func write(_ buffer: UnsafePointer<UInt8>?, _ length: Int) -> Int {
        guard let buffer = unsafe buffer, !hasAskedForTLS, length == 36,
            unsafe buffer[0] == 32 && buffer[1] == 0 && buffer[2] == 0 && buffer[3] == 1 && buffer[5] & 0x08 != 0
        else {
            errno = EPERM
            return -1
        }
        hasAskedForTLS = true
        var sent = 0
        while sent < length {
            let count = unsafe Glibc.send(descriptor, buffer + sent, length - sent, Int32(MSG_NOSIGNAL))
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN || errno == EINTR {
                guard wait(isRead: false) == 1 else { return -1 }
            } else {
                code = errno
                return -1
            }
        }
        return sent
    }

    /// - Returns: 1 when ready, 0 at the deadline, -1 for an error. **Source**: ma_pvio.h, `wait_io_or_timeout`.
    fileprivate func wait(isRead: Bool) -> Int32 {
        while true {
            var item = pollfd(fd: descriptor, events: Int16(isRead ? POLLIN : POLLOUT), revents: 0)
            let count = unsafe poll(&item, 1, Int32(clamping: deadline.remainingMilliseconds))
            if count > 0 { return 1 }
            if count < 0, errno == EINTR { continue }
            if count == 0 {
                hasTimedOut = true
                errno = ETIMEDOUT
            } else {
                code = errno
            }
            return count
        }
    }

    /// The session exists and has not shaken hands: the moment to say what it has to verify. When that fails, the library verifies against
    /// no anchor at all and refuses the peer.
    fileprivate func prepare(_ pvio: UnsafeMutablePointer<MARIADB_PVIO>) {
        guard let session = unsafe cmariadb_ssl(pvio) else { return }
        _ = unsafe watch.attach(to: session)
    }

    /// The peer's clear-text request, met after its identity is certain. - Returns: the result for the library.
    fileprivate func sendToken(_ vio: UnsafeMutablePointer<MYSQL_PLUGIN_VIO>) -> Int32 {
        guard watch.isVerified, let token, mayAnswer() else { return CR_ERROR }
        guard !sentToken else {
            excessiveRequest = "the server asked for the token twice"
            return CR_ERROR
        }
        sentToken = true
        otherPlugin = nil
        return token.reveal { text in
            var bytes = Array(text.utf8) + [0]
            defer { unsafe bytes.withUnsafeMutableBytes { if let start = $0.baseAddress { unsafe explicit_bzero(start, $0.count) } } }
            return unsafe bytes.withUnsafeBufferPointer { unsafe vio.pointee.write_packet(vio, $0.baseAddress, Int32($0.count)) } == 0
                ? CR_OK : CR_ERROR
        }
    }

    /// Another request is answered without a password: that sends no secret, and a server that does not know the name says so now.
    fileprivate func answer(_ plugin: String, _ vio: UnsafeMutablePointer<MYSQL_PLUGIN_VIO>) -> Int32 {
        guard mayAnswer() else { return CR_ERROR }
        otherPlugin = plugin
        return unsafe vio.pointee.write_packet(vio, nil, 0) == 0 ? CR_OK : CR_ERROR
    }

    /// Whether eight bytes of the token in a row, once it was sent, are in a text.
    func holdsPartOfToken(_ text: String) -> Bool {
        guard sentToken, let token else { return false }
        let size = 8
        let bytes = Array(text.utf8)
        guard bytes.count >= size else { return false }
        let parts = Set((0...(bytes.count - size)).map { bytes[$0..<$0 + size] })
        return token.reveal { secret in
            var secret = Array(secret.utf8)
            defer { unsafe secret.withUnsafeMutableBytes { if let start = $0.baseAddress { unsafe explicit_bzero(start, $0.count) } } }
            guard secret.count >= size else { return false }
            return (0...(secret.count - size)).contains { parts.contains(secret[$0..<$0 + size]) }
        }
    }

    /// Counts one request of the server's.
    private func mayAnswer() -> Bool {
        requests += 1
        guard requests > Self.requestLimit else { return true }
        excessiveRequest = excessiveRequest ?? "the server asked for more than \(Self.requestLimit) plugins in one login"
        return false
    }

    fileprivate func refuseFile() { askedForFile = true }

    static func of(_ mysql: UnsafeMutablePointer<MYSQL>?) -> Transport? {
        guard let mysql = unsafe mysql, let context = unsafe cmariadb_context(mysql) else { return nil }
        return unsafe Unmanaged<Transport>.fromOpaque(context).takeUnretainedValue()
    }

    fileprivate static func of(_ pvio: UnsafeMutablePointer<MARIADB_PVIO>?) -> Transport? {
        guard let pvio = unsafe pvio, let context = unsafe pvio.pointee.data else { return nil }
        return unsafe Unmanaged<Transport>.fromOpaque(context).takeUnretainedValue()
    }
}

extension Transport {
    /// The table that takes the place of the library's own. **Source**: ma_pvio.h, `st_ma_pvio_methods`.
    static func methods() -> PVIO_METHODS {
        var methods = PVIO_METHODS()
        unsafe methods.set_timeout = { _, _, _ in 0 }
        unsafe methods.get_timeout = { _, _ in -1 }
        unsafe methods.read = { pvio, buffer, length in unsafe Transport.of(pvio)?.read(buffer, length) ?? -1 }
        unsafe methods.write = { pvio, buffer, length in unsafe Transport.of(pvio)?.write(buffer, length) ?? -1 }
        unsafe methods.wait_io_or_timeout = { pvio, isRead, _ in unsafe Transport.of(pvio)?.wait(isRead: isRead != 0) ?? -1 }
        unsafe methods.blocking = { pvio, _, before in
            if let before = unsafe before { unsafe before.pointee = 0 }
            if let pvio = unsafe pvio { unsafe Transport.of(pvio)?.prepare(pvio) }
            return 0
        }
        unsafe methods.connect = { pvio, target in
            guard let pvio = unsafe pvio, let mysql = unsafe target?.pointee.mysql, let context = unsafe cmariadb_context(mysql) else {
                return 1
            }
            unsafe pvio.pointee.data = context
            unsafe pvio.pointee.mysql = mysql
            unsafe pvio.pointee.type = PVIO_TYPE_SOCKET
            return 0
        }
        unsafe methods.close = { pvio in
            if let pvio = unsafe pvio { unsafe pvio.pointee.data = nil }
            return 0
        }
        unsafe methods.fast_send = { _ in 0 }
        unsafe methods.keepalive = { _ in 0 }
        unsafe methods.get_handle = { pvio, handle in
            guard let pvio = unsafe pvio, let handle = unsafe handle, let transport = unsafe Transport.of(pvio) else { return 1 }
            unsafe transport.prepare(pvio)
            unsafe handle.storeBytes(of: transport.descriptor, as: Int32.self)
            return 0
        }
        unsafe methods.is_blocking = { _ in 0 }
        unsafe methods.is_alive = { _ in 1 }
        unsafe methods.shutdown = { pvio in
            unsafe Transport.of(pvio)?.interrupt()
            return 0
        }
        return methods
    }

    /// The first answer to the greeting: it names a plugin that no server has, so every server says what the account wants.
    static let opening: cmariadb_authenticate = { vio, _ in
        guard let vio = unsafe vio else { return CR_ERROR }
        return unsafe vio.pointee.write_packet(vio, nil, 0) == 0 ? CR_OK : CR_ERROR
    }

    static let clearText: cmariadb_authenticate = { vio, mysql in
        guard let vio = unsafe vio, let transport = unsafe Transport.of(mysql) else { return CR_ERROR }
        return unsafe transport.sendToken(vio)
    }

    /// Plugins for passwords that a server may ask for.
    static let others = ["mysql_native_password", "caching_sha2_password", "sha256_password"]

    /// The answer to one of ``others``, which holds no password.
    static func other(_ plugin: String) -> cmariadb_authenticate {
        switch plugin {
        case "caching_sha2_password": { vio, mysql in unsafe Transport.answer("caching_sha2_password", vio, mysql) }
        case "sha256_password": { vio, mysql in unsafe Transport.answer("sha256_password", vio, mysql) }
        default: { vio, mysql in unsafe Transport.answer("mysql_native_password", vio, mysql) }
        }
    }

    private static func answer(
        _ plugin: String, _ vio: UnsafeMutablePointer<MYSQL_PLUGIN_VIO>?, _ mysql: UnsafeMutablePointer<MYSQL>?
    ) -> Int32 {
        guard let vio = unsafe vio, let transport = unsafe Transport.of(mysql) else { return CR_ERROR }
        return unsafe transport.answer(plugin, vio)
    }

    /// No file of this host is ever read for a server. **Source**: MySQL documentation, `mysql_set_local_infile_handler()`.
    static func refuseFiles(of mysql: UnsafeMutablePointer<MYSQL>, context: Transport) {
        unsafe mysql_set_local_infile_handler(
            mysql,
            { place, _, context in
                if let context = unsafe context { unsafe Unmanaged<Transport>.fromOpaque(context).takeUnretainedValue().refuseFile() }
                if let place = unsafe place { unsafe place.pointee = nil }
                return 1
            }, { _, _, _ in -1 }, { _ in }, { _, _, _ in Int32(CR_UNKNOWN_ERROR) }, Unmanaged.passUnretained(context).toOpaque())
    }
}
