// The local socket of the service: taken at the start, or as soon as its place is free.
import Diagnosis
import Logging
import ServiceLifecycle
import Settings
import StatusServer

/// Serves commands at the local socket. A place that nobody chose is not worth failing for, and none is where the agent stays: commands take
/// the other ways until it can be had.
struct LocalDoor: Service {
    /// How long to wait for the next try: the agent that has the place may end.
    static let pause = Duration.seconds(5)

    private let socket: Configuration.Socket
    private let isRequired: Bool
    private let makeFolder: @Sendable () -> String?
    private let server: @Sendable (LocalSocket) -> StatusServer
    private let logger: Logger
    private let first: LocalSocket?

    /// Tries for the first time.
    /// - Parameters:
    ///   - stays: whether the agent goes on also without a place that was chosen.
    ///   - makeFolder: makes the folder of the history, where that is the agent's to make; gives why there is none.
    ///   - server: made anew for every try.
    /// **Throws**: when a place that was chosen cannot be had.
    init(
        _ socket: Configuration.Socket, stays: Bool, makeFolder: @escaping @Sendable () -> String?,
        server: @escaping @Sendable (LocalSocket) -> StatusServer, logger: Logger
    ) throws(LocalSocket.Refusal) {
        (self.socket, self.makeFolder, self.server, self.logger) = (socket, makeFolder, server, logger)
        isRequired = !socket.isDefault && !stays
        do throws(LocalSocket.Refusal) {
            first = try Self.take(socket, makeFolder)
        } catch {
            guard !isRequired else { throw error }
            first = nil
            logger.warning("there is no local socket", metadata: ["error": "\(error)"])
        }
    }

    func run() async throws {
        var taken = first
        // Somebody else's place is told once, at the start or when it is lost.
        var isTold = first == nil
        while true {
            if let place = taken ?? (try? Self.take(socket, makeFolder)) {
                taken = nil
                do {
                    return try await server(place).run()
                } catch let refusal as LocalSocket.Refusal where !isRequired {
                    if !isTold { logger.warning("there is no local socket", metadata: ["error": "\(refusal)"]) }
                    isTold = true
                }
            }
            await cancelWhenGracefulShutdown { try? await Task.sleep(for: Self.pause, clock: .continuous) }
            if Task.isCancelled || Task.isShuttingDownGracefully { return }
        }
    }

    private static func take(
        _ socket: Configuration.Socket, _ makeFolder: @Sendable () -> String?
    ) throws(LocalSocket.Refusal) -> LocalSocket {
        if let problem = makeFolder(), socket.isDefault {
            throw LocalSocket.Refusal(description: "there is no place for the local socket \(socket.path): \(problem)")
        }
        return try LocalSocket(path: socket.path)
    }
}
