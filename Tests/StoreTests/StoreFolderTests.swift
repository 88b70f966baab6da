// The folder of a history that nobody chose: made for one user alone, and never somebody else's.
import Foundation
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(1))) struct StoreFolderTests {
    private func refusal(_ path: String, as user: uid_t = geteuid()) -> StoreRefusal? {
        do throws(StoreRefusal) {
            try StoreFile(path: path, makesFolder: true, user: user).makeFolder()
            return nil
        } catch {
            return error
        }
    }

    @Test("Every folder on the way is made, for the user alone; once more changes nothing")
    func made() throws {
        let scratch = try Scratch()
        for _ in 1...2 {
            #expect(refusal(scratch.folder + "/a/b/agent/history.db") == nil)
            for folder in ["a", "a/b", "a/b/agent"] {
                let rights = try FileManager.default.attributesOfItem(atPath: "\(scratch.folder)/\(folder)")[.posixPermissions] as? Int
                #expect(rights == 0o700, "\(folder)")
            }
        }
    }

    @Test("Where no folder can be made the reason is told: something else is there, or nobody may write")
    func impossible() throws {
        let scratch = try Scratch()
        try Data().write(to: URL(fileURLWithPath: scratch.folder + "/file"))
        #expect(refusal(scratch.folder + "/file/agent/history.db")?.message.contains("cannot create the folder") == true)
        #expect(refusal("/proc/nowhere/agent/history.db")?.message.contains("/proc/nowhere") == true)
    }

    @Test("Another user's folder, where everybody may write, is refused; in a place of one's own it is as the owner wants it")
    func foreign() throws {
        let scratch = try Scratch()
        let files = FileManager.default
        for (place, rights) in [("open", 0o1777), ("own", 0o755)] {
            let folder = "\(scratch.folder)/\(place)"
            try files.createDirectory(atPath: folder, withIntermediateDirectories: false)
            try files.setAttributes([.posixPermissions: rights], ofItemAtPath: folder)
            try files.createDirectory(atPath: folder + "/agent", withIntermediateDirectories: false)
            #expect(refusal(folder + "/agent/history.db") == nil, "one's own")
            // The same, seen by another user.
            let message = refusal(folder + "/agent/history.db", as: geteuid() + 1)?.message
            let isRefused = message?.contains("belongs to user \(geteuid()),") == true && message?.contains("set history.path") == true
            #expect(isRefused == (place == "open"), "\(message ?? "")")
        }
    }

    @Test("A store makes its folder only where it is told to")
    func store() async throws {
        let scratch = try Scratch()
        for makesFolder in [false, true] {
            let store = HistoryStore(path: scratch.folder + "/new/history.db", makesFolder: makesFolder, logger: quiet)
            #expect(store.makeFolder() == nil)
            store.record(Sample.success(at: 0))
            await store.flush()
            #expect((store.status.mode == .file) == makesFolder, "\(store.status)")
            #expect(FileManager.default.fileExists(atPath: scratch.folder + "/new") == makesFolder)
            await store.close()
        }
    }
}
