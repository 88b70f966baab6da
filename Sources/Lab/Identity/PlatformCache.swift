// The cache that Azure keeps in front of Entra for managed identities: the same token again for hours, and no way to ask for a fresh one.
import Diagnosis
import Synchronization

/// One token per principal, audience and kind of fault.
final class PlatformCache: Sendable {
    private let entries = Mutex<[Key: Entry]>([:])
    /// **Unit**: seconds.
    private let window: Mutex<Int>

    struct Key: Hashable, Sendable {
        var principal: String
        var audience: String
        var fault: Fault?
        var value: Int
    }

    private struct Entry {
        var issued: TokenIssuer.Issued
        var at: Timestamp
    }

    init(window: Int) { self.window = Mutex(window) }

    func set(window: Int) { self.window.withLock { $0 = window } }

    /// The cached token, if it is young enough.
    func token(for key: Key, now: Timestamp = .now) -> TokenIssuer.Issued? {
        let window = self.window.withLock { $0 }
        return entries.withLock { entries in
            guard let entry = entries[key], (now - entry.at).seconds < Double(window) else { return nil }
            return entry.issued
        }
    }

    func keep(_ issued: TokenIssuer.Issued, for key: Key, now: Timestamp = .now) {
        entries.withLock { $0[key] = Entry(issued: issued, at: now) }
    }

    func clear() { entries.withLock { $0 = [:] } }
}
