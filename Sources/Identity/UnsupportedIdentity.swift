// An identity in an environment whose protocol this version does not speak: it says so instead of asking somebody else.
import Diagnosis

/// Fails every question with the reason.
final class UnsupportedIdentity: TokenSource {
    let name: String
    let source: TokenSourceKind
    let failure: Failure
    private let shared: Identities.Shared

    init(name: String, source: TokenSourceKind, because reason: String, shared: Identities.Shared) {
        self.name = name
        self.source = source
        self.shared = shared
        failure = IdentityVerdict.unsupported(source, because: reason)
    }

    func token(for resource: TokenResource, until deadline: Deadline) async throws(ProbeEnd) -> TokenLease {
        shared.onEvent(.lookup(identity: name, hit: false))
        throw .failed(failure)
    }

    func discard(_ resource: TokenResource) async {}

    func acquire(_ resource: TokenResource) -> TokenAcquisition {
        TokenAcquisition(
            identity: name, source: source, resource: shared.cloud.resourceURI(resource), attempts: [], duration: .zero,
            outcome: .failed(failure))
    }

    /// Makes the state of the identity visible as a request that failed.
    func report(for resource: TokenResource) {
        shared.onEvent(
            .request(
                TokenRequestResult(
                    identity: name, resource: resource, source: source, time: shared.time.wall(), duration: .zero,
                    outcome: .failed(failure))))
    }
}
