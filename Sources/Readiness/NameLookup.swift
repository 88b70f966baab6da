// Name lookup on the reactor through c-ares. One channel per lookup at a time: the library is not safe to share between threads. Its
// sockets are watched through an epoll descriptor of their own, which is
// itself one descriptor for the reactor.
import CCares
import CLinux
package import Diagnosis
import Glibc

/// What a name resolved to.
package struct NameResolution: Sendable, Hashable {
    /// Numeric addresses in the order in which they should be tried.
    package var addresses: [String]
    /// The aliases (CNAME targets) behind the name, first alias first.
    package var aliases: [String]
    /// The smallest time to live among the addresses. **Unit**: seconds; nil for entries of the hosts file.
    package var timeToLive: Int?
}

/// Why a name has no addresses.
package enum NameLookupFailure: Error, Sendable, Hashable {
    /// c-ares answered with this status (`ARES_E…`) and its text; `timeouts` counts servers that did not reply.
    case ares(code: Int32, text: String, timeouts: Int)
    case wait(WaitFailure)
}

/// Looks names up: hosts file and DNS, with the system's servers or with configured ones.
package struct NameLookup: Sendable {
    private let reactor: Reactor
    /// Configured servers; empty for the system's.
    private let servers: [Endpoint]
    private let channels = ResolverChannels()

    /// **Throws**: `probe_internal` when c-ares cannot be initialised.
    package init(reactor: Reactor, servers: [Endpoint]) throws(Failure) {
        self.reactor = reactor
        self.servers = servers
        let status = Self.initialised
        guard status == 0 else {
            throw Failure(.probeInternal, during: .dns, evidence: [Evidence(.ares, code: status, text: Self.text(of: status))])
        }
    }

    /// The addresses of `host`, at most 64; a numeric host is its own address.
    ///
    /// Each server is asked twice, 2 s apart at first, so that a silent resolver is known within about 6 s.
    package func resolve(_ host: String, until deadline: Deadline) async throws(NameLookupFailure) -> NameResolution {
        if unsafe clinux_is_numeric(host) != 0 { return NameResolution(addresses: [host], aliases: [], timeToLive: nil) }
        do {
            return try await ask(host, flags: 0, until: deadline)
        } catch .ares(ARES_ECONNREFUSED, _, _) {
            // c-ares goes on to the next server when one fails or refuses, and in the end says "connection refused" whatever they said.
            // Asked once more without that care it passes their own answer on.
            return try await ask(host, flags: Int32(ARES_FLAG_NOCHECKRESP), until: deadline)
        }
    }

    private func ask(_ host: String, flags: Int32, until deadline: Deadline) async throws(NameLookupFailure) -> NameResolution {
        let resolver = try channels.take(flags: flags, servers: servers)
        let resolution = try await ask(host, resolver, until: deadline)
        // Only a channel with nothing pending goes back; any other is destroyed, which cancels what it waits for.
        channels.giveBack(resolver)
        return resolution
    }

    private func ask(_ host: String, _ resolver: ResolverChannel, until deadline: Deadline) async throws(NameLookupFailure) -> NameResolution {
        let channel = unsafe resolver.channel
        let answer = Answer()
        // The callback may run once more while a failed lookup's channel is destroyed, so the channel keeps its answer alive.
        resolver.answer = answer
        var hints = ares_addrinfo_hints()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        unsafe ares_getaddrinfo(channel, host, nil, &hints, Self.callback, Unmanaged.passUnretained(answer).toOpaque())
        while answer.result == nil {
            unsafe try await step(channel, until: deadline)
        }
        switch answer.result {
        case .success(let resolution)?: return resolution
        case .failure(let failure)?: throw failure
        case nil: throw .wait(.cancelled)
        }
    }

    /// Waits once for what c-ares waits for, and lets it work.
    private func step(_ channel: ares_channel, until deadline: Deadline) async throws(NameLookupFailure) {
        var sockets = [ares_socket_t](repeating: -1, count: Int(ARES_GETSOCK_MAXNUM))
        let bits = unsafe sockets.withUnsafeMutableBufferPointer { buffer in
            unsafe ares_getsock(channel, buffer.baseAddress, Int32(buffer.count))
        }
        let set = clinux_epoll_create()
        guard set >= 0 else { throw .wait(.system(errno)) }
        defer { _ = Glibc.close(set) }
        var watched: [ares_socket_t] = []
        for index in 0..<Int32(sockets.count) {
            let readable = cares_is_readable(bits, index) != 0
            let writable = cares_is_writable(bits, index) != 0
            guard readable || writable else { continue }
            let events = (readable ? UInt32(EPOLLIN.rawValue) : 0) | (writable ? UInt32(EPOLLOUT.rawValue) : 0)
            _ = clinux_watch(set, sockets[Int(index)], events, UInt64(index))
            watched.append(sockets[Int(index)])
        }
        let pause = unsafe cares_timeout(channel, 1000)
        do {
            try await reactor.wait(for: .read, on: set, until: deadline.capped(to: .milliseconds(pause)))
        } catch .deadline where !deadline.isPassed {
            // Only c-ares' own timer: it asks again or asks the next server.
        } catch {
            throw .wait(error)
        }
        if watched.isEmpty { unsafe ares_process_fd(channel, -1, -1) }
        for socket in watched { unsafe ares_process_fd(channel, socket, socket) }
    }

    private static let callback: ares_addrinfo_callback = { context, status, timeouts, information in
        guard let context = unsafe context else { return }
        let answer = unsafe Unmanaged<Answer>.fromOpaque(context).takeUnretainedValue()
        defer { unsafe ares_freeaddrinfo(information) }
        guard status == ARES_SUCCESS, let information = unsafe information else {
            answer.result = .failure(failure(status, timeouts: Int(timeouts)))
            return
        }
        var resolution = NameResolution(addresses: [], aliases: [], timeToLive: nil)
        var node = unsafe information.pointee.nodes
        while let current = unsafe node, resolution.addresses.count < 64 {
            var text = [CChar](repeating: 0, count: 64)
            let isKnown = unsafe text.withUnsafeMutableBufferPointer { buffer in
                unsafe cares_text(current, buffer.baseAddress, buffer.count)
            }
            if isKnown != 0 {
                let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if !resolution.addresses.contains(address) { resolution.addresses.append(address) }
                let ttl = unsafe Int(current.pointee.ai_ttl)
                if ttl > 0 { resolution.timeToLive = min(resolution.timeToLive ?? ttl, ttl) }
            }
            unsafe node = unsafe current.pointee.ai_next
        }
        // A and AAAA answers each bring the chain, so names repeat.
        var cname = unsafe information.pointee.cnames
        while let current = unsafe cname, resolution.aliases.count < 16 {
            if let name = unsafe current.pointee.name {
                let alias = unsafe String(cString: name)
                if !resolution.aliases.contains(alias) { resolution.aliases.append(alias) }
            }
            unsafe cname = unsafe current.pointee.next
        }
        answer.result = .success(resolution)
    }

    static func failure(_ status: Int32, timeouts: Int) -> NameLookupFailure {
        .ares(code: status, text: text(of: status), timeouts: timeouts)
    }

    private static func text(of status: Int32) -> String { unsafe String(cString: ares_strerror(status)) }

    /// Runs `ares_library_init` once in this process.
    private static let initialised: Int32 = ares_library_init(Int32(ARES_LIB_INIT_ALL))
}
