// Channels of c-ares, kept for the next lookup: making one reads the system's resolver files, which is a good part of a lookup's cost.
import CCares
import Diagnosis
import Synchronization

/// Where the callback of a lookup leaves its result. **Isolation**: that of the channel it belongs to.
final class Answer {
    var result: Result<NameResolution, NameLookupFailure>?
}

/// One channel of c-ares with the answer it is filling.
///
/// **Isolation**: unchecked because c-ares is not safe to share; `ResolverChannels` lends a channel to one lookup at a time, and its lock
/// orders what two lookups do to it.
@safe final class ResolverChannel: @unchecked Sendable {
    let channel: ares_channel
    let flags: Int32
    let made = ContinuousClock.now
    var answer: Answer?

    /// **Throws**: c-ares' own status, when there is no memory or a server's address cannot be read.
    init(flags: Int32, servers: [Endpoint]) throws(NameLookupFailure) {
        var channel: ares_channel?
        var options = unsafe ares_options()
        unsafe options.timeout = 2000
        unsafe options.tries = 2
        unsafe options.flags = flags
        let status = unsafe ares_init_options(&channel, &options, Int32(ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_FLAGS))
        guard status == ARES_SUCCESS, let channel = unsafe channel else { throw NameLookup.failure(status, timeouts: 0) }
        unsafe self.channel = channel
        self.flags = flags
        guard !servers.isEmpty else { return }
        let list = servers.map(\.description).joined(separator: ",")
        let set = unsafe ares_set_servers_ports_csv(channel, list)
        guard set == ARES_SUCCESS else { throw NameLookup.failure(set, timeouts: 0) }
    }

    /// Also cancels what is pending: the callback then runs once more, while `answer` still lives.
    deinit { unsafe ares_destroy(channel) }
}

/// The idle channels of one ``NameLookup``.
final class ResolverChannels: Sendable {
    /// How long a channel is used: changes of the system's resolver files are seen after this time at the latest.
    static let lifetime = Duration.seconds(30)
    private let idle = Mutex<[ResolverChannel]>([])

    func take(flags: Int32, servers: [Endpoint]) throws(NameLookupFailure) -> ResolverChannel {
        let kept = idle.withLock { idle -> ResolverChannel? in
            idle.removeAll { ContinuousClock.now - $0.made > Self.lifetime }
            guard let index = idle.lastIndex(where: { $0.flags == flags }) else { return nil }
            return idle.remove(at: index)
        }
        if let kept { return kept }
        return try ResolverChannel(flags: flags, servers: servers)
    }

    func giveBack(_ channel: ResolverChannel) {
        channel.answer = nil
        idle.withLock { if $0.count < 64 { $0.append(channel) } }
    }
}
