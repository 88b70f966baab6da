// Why a check does not log in now, and until when, with the words for it.
import Diagnosis

/// A rest of logins.
package struct LoginRest: Sendable, Hashable {
    package enum Reason: Sendable, Hashable {
        /// A login was refused, and trying again cannot mend that: the rest is the check's own, or its account's.
        case refused
        /// The server has blocked this client: the rest is everybody's on that server.
        case clientBlocked
        /// Too many connections broke off between greeting and login, which MySQL counts against this host: the same.
        case brokenHandshakes
    }

    package var reason: Reason
    /// From when on the check may log in.
    package var until: ContinuousClock.Instant

    /// What a person should know; nil where the failure of the check itself has said it.
    func notice(at now: ContinuousClock.Instant, wall: Timestamp) -> Notice? {
        let next = (wall + max(.zero, until - now)).description
        return switch reason {
        case .refused: nil
        case .clientBlocked:
            Notice(
                .loginsRest, during: .login,
                detail: "The server has blocked this client, and logins might prolong that: no check logs in there before \(next).",
                hint: "This rest ends by itself at that time, and by nothing sooner; the finding of the block says what ends that.")
        case .brokenHandshakes:
            Notice(
                .loginsRest, during: .login,
                detail:
                    "\(ServerStrikes.limit) connections to this server in a day broke off before the login was over, and MySQL blocks a host for"
                    + " them: one login in \(ServerStrikes.rest.components.seconds / 60) minutes, the next from \(next) on.",
                evidence: [Evidence(.agent, text: "max_connect_errors, 100 unless told otherwise, counts handshakes that break off")])
        }
    }
}
