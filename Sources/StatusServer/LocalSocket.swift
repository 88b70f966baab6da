// The local socket: by which commands of the same user reach the agent, whatever stands before the web side.
import Diagnosis
import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The place of a local socket, taken by this process and not yet bound.
///
/// What a dead agent left there is replaced; what lives there, and what is no socket, is left alone. Only looks at a folder of this machine
/// and never waits for anybody, so it may be made at the start of the service.
package final class LocalSocket: Sendable {
    package let path: String
    /// The locked folder: two agents that start at the same moment must not both find the place free. Nil once it is bound.
    private let folder: Mutex<Int32?>

    /// Why a place cannot be taken.
    package struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        package var description: String

        package init(description: String) { self.description = description }
    }

    package init(path: String) throws(Refusal) {
        self.path = path
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        let parent = String(path.dropLast(name.utf8.count))
        let descriptor = unsafe open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.refusal(path, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw Refusal(description: "another agent is just taking the local socket \(path); see server.socket")
        }
        folder = Mutex(descriptor)
        if let problem = Self.problem(path) {
            release()
            throw problem
        }
    }

    deinit { release() }

    /// The socket is there: only its owner may use it, and others may look at the folder again.
    func didBind() {
        // Between the two steps everybody could connect; whoever does is looked at, and refused when it is not the same user.
        _ = unsafe chmod(path, 0o600)
        release()
    }

    /// Others may look at the folder again. Once is enough; twice does no harm.
    func release() {
        let descriptor = folder.withLock { folder in
            defer { folder = nil }
            return folder
        }
        if let descriptor { close(descriptor) }
    }

    /// What is in the way.
    private static func problem(_ path: String) -> Refusal? {
        let address: SocketAddress
        do {
            address = try SocketAddress(unixDomainSocketPath: path)
        } catch {
            return Refusal(
                description:
                    "the path of the local socket has \(path.utf8.count) bytes, and 103 at most can be used: \(path); see server.socket")
        }
        // Source: open(2), ENXIO: a socket is the one kind of file that cannot be opened at all.
        let opened = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        let seen = opened >= 0 ? 0 : errno
        if opened >= 0 { close(opened) }
        switch seen {
        case ENOENT: return nil
        case ENXIO: break
        case 0, ELOOP:
            return Refusal(description: "\(path) is there and is no socket; remove it or choose another place with server.socket")
        default: return refusal(path, seen)
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return refusal(path, errno) }
        defer { close(descriptor) }
        let code = unsafe address.withSockAddr { pointer, size in unsafe connect(descriptor, pointer, socklen_t(size)) } == 0 ? 0 : errno
        // Nobody listens there any more. Everything else is somebody alive, be it too busy to answer.
        if code == ECONNREFUSED || code == ENOENT { return nil }
        if code == EACCES || code == EPERM { return refusal(path, code) }
        var peer = PeerCredentials()
        var size = socklen_t(MemoryLayout<PeerCredentials>.size)
        let isKnown = unsafe code == 0 && getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
        let who = isKnown ? "process \(peer.process)" : "another process"
        return Refusal(
            description: "an agent (\(who)) answers at the local socket \(path); stop it, or give this one a server.socket of its own")
    }

    private static func refusal(_ path: String, _ code: Int32) -> Refusal {
        let reason =
            switch code {
            case ENOENT, ENOTDIR: "its folder does not exist"
            case EACCES, EPERM, EROFS: "this user may not write there"
            case ENAMETOOLONG: "the name is too long"
            default: "errno \(code)"
            }
        return Refusal(description: "there is no place for the local socket \(path): \(reason); see server.socket")
    }
}

/// Who is at the other end of a local connection, as the system attests it.
/// **Shape**: `struct ucred`. **Source**: unix(7), `SO_PEERCRED`.
struct PeerCredentials: Sendable {
    var process: Int32 = 0
    var user: UInt32 = 0
    var group: UInt32 = 0

    /// The same user as the agent's, or root, who could do as that user anyway.
    var isTrusted: Bool { user == 0 || user == geteuid() }

    /// Asks the system. Nil when it cannot tell.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerCredentials?> {
        guard let socket = channel as? any SocketOptionProvider else { return channel.eventLoop.makeSucceededFuture(nil) }
        let asked: EventLoopFuture<PeerCredentials> = socket.unsafeGetSocketOption(
            level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
        return asked.map(Optional.some).recover { _ in nil }
    }
}
