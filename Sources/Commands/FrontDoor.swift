// The HTTP side of the waiting room, which the service takes over as it is: whoever looks whether the agent lives is never turned away
// between the two.
import Diagnosis
import ServiceLifecycle
import StatusServer
import Synchronization

/// A server that listens from the moment it is made until it is closed, whoever answers behind it.
final class FrontDoor: Service {
    /// Where it was told to listen; ports may have been left to the system.
    let listen: [Endpoint]
    /// On the place to listen at.
    let verdict: ConfigurationVerdict
    private let switchboard: Switchboard
    private let group: ServiceGroup
    private let isBound: IsBound
    private let end: Task<Void, any Error>

    private final class IsBound: Sendable {
        let value = Atomic(false)
    }

    init(_ surroundings: ServiceSurroundings, listen: [Endpoint], sources: StatusSources) {
        let (verdict, isBound, switchboard) = (ConfigurationVerdict(), IsBound(), Switchboard(sources))
        (self.listen, self.verdict, self.isBound, self.switchboard) = (listen, verdict, isBound, switchboard)
        let patient = PatientServer(
            server: {
                StatusServer(
                    listen: listen, hosts: surroundings.hosts, switchboard: switchboard, metrics: surroundings.metrics,
                    logger: surroundings.logger,
                    onBound: { _ in
                        isBound.value.store(true, ordering: .releasing)
                        PatientServer.bound(verdict, surroundings.tell)
                    })
            }, stays: true, verdict: verdict, tell: surroundings.tell, logger: surroundings.logger)
        var configuration = ServiceGroupConfiguration(services: [patient], logger: surroundings.logger)
        configuration.maximumGracefulShutdownDuration = .seconds(5)
        let group = ServiceGroup(configuration: configuration)
        self.group = group
        // A task of its own, because the door outlives the function that opens it: ended by `close`, or by the service that takes it over.
        end = Task { try await group.run() }
    }

    var isOpen: Bool { isBound.value.load(ordering: .acquiring) }

    /// Somebody else answers from now on.
    func handOver(to sources: StatusSources) { switchboard.handOver(to: sources) }

    /// Waits until it is closed or the task is cancelled. **Throws**: why it broke.
    func untilClosed() async throws {
        let (ends, tell) = AsyncStream<Never>.makeStream()
        // A task of its own, because waiting for another task answers no cancellation, and whoever waits here must; it ends with the door.
        Task {
            _ = await end.result
            tell.finish()
        }
        for await _ in ends {}
        if !Task.isCancelled { try await end.value }
    }

    /// Keeps it open until whoever has taken it over is to stop.
    func run() async throws {
        try await cancelWhenGracefulShutdown { try await self.untilClosed() }
        await close()
    }

    func close() async {
        await group.triggerGracefulShutdown()
        // A stop that takes too long for the caller takes too long for those who are connected, too.
        await withTaskCancellationHandler {
            _ = await end.result
        } onCancel: {
            end.cancel()
        }
    }
}
