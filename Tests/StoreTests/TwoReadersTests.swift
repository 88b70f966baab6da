// Two readers that meet the same damage.
import Diagnosis
import Foundation
import GRDB
import Synchronization
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct TwoReadersTests {
    @Test("A second reader that was still on the damaged file does not have the new one set aside as well")
    func secondReader() async throws {
        let scratch = try Scratch()
        let state = StoreState(path: scratch.path, queueLimit: 100)
        let engine = StoreEngine(
            state: state, file: StoreFile(path: scratch.path), retention: Retention(), pace: StorePace(), now: { .now }, clock: { .now },
            logger: quiet, onCommit: nil, onChange: nil)
        state.queue.withLock { $0.add(Sample.success(at: 0), incidentsMayOpen: true) }
        await engine.turn()
        let (first, second) = (try #require(await engine.readingQueue()), try #require(await engine.readingQueue()))
        await engine.damageFound(by: first)
        let new = try #require(await engine.readingQueue())
        #expect(new !== second)
        await engine.damageFound(by: second)
        #expect(state.status.withLock(\.recoveries) == [.corrupt: 1])
        #expect(state.status.withLock(\.mode) == .file)
        #expect(scratch.names.count { $0.contains(".corrupt-") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") } == 1)
        #expect(await engine.readingQueue() === new)
        await engine.close()
    }

    @Test("Two questions at once that find damage: one file set aside, and the history goes on in a file")
    func twoQuestions() async throws {
        let scratch = try Scratch()
        let store = HistoryStore(path: scratch.path, logger: quiet)
        store.record(Sample.success(at: 0))
        await store.flush()
        let damage = TableQuestion<Int>(ask: { _ in throw DatabaseError(resultCode: .SQLITE_CORRUPT) })
        // Both ask of the file that is there now: the second waits behind the first one's place in the queue.
        let (began, begin) = AsyncStream<Void>.makeStream()
        let slow = TableQuestion<Int>(ask: { db in
            begin.finish()
            usleep(200_000)
            return try damage.ask(db)
        })
        async let first = try? store.answer(slow)
        for await _ in began {}
        async let second = try? store.answer(damage)
        #expect(await first == nil)
        #expect(await second == nil)
        #expect(store.status.recoveries == [.corrupt: 1])
        #expect(store.status.mode == .file && store.status.isUp)
        await store.close()
    }
}
