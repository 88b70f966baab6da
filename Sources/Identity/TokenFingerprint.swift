// Tells whether two tokens are the same without keeping the older one.
import Diagnosis

/// A hash with a key of this process: equal for equal tokens, useless to anybody else.
struct TokenFingerprint: Sendable {
    private let key = (UInt64.random(in: 0...UInt64.max), UInt64.random(in: 0...UInt64.max))

    func of(_ token: Secret<String>) -> UInt64 {
        // SipHash; its own key is random per process too, unless an environment variable fixes it, hence ours.
        var hasher = Hasher()
        hasher.combine(key.0)
        token.reveal { hasher.combine($0) }
        hasher.combine(key.1)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
