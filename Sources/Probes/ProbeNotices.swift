// What a probe notices although it succeeds: limits from the fact sheets, decided in values.
import Diagnosis

/// Rules that turn facts into notices.
package enum ProbeNotices {
    /// Certificates are renewed by the platform weeks ahead, so 21 days left is late. **Unit**: days.
    package static let certificateDays = 21.0
    /// Tokens tolerate about five minutes of skew; a minute is already a host whose clock nobody watches. **Unit**: seconds.
    package static let skewSeconds = 60.0

    package static func certificate(_ certificate: CertificateFacts, now: Timestamp) -> Notice? {
        let days = (certificate.chainNotAfter - now).seconds / 86400
        guard days < certificateDays, days > 0 else { return nil }
        let whole = Int(days)
        return Notice(
            .certificateExpiresSoon, during: .tls,
            detail: "The certificate chain of the server ends at \(certificate.chainNotAfter), in \(whole) day\(whole == 1 ? "" : "s").",
            evidence: [Evidence(.certificate, text: "subject \(certificate.subject); issuer \(certificate.issuer)")])
    }

    package static func clockSkew(_ seconds: Double) -> Notice? {
        guard abs(seconds) > skewSeconds else { return nil }
        let rounded = Int(abs(seconds).rounded())
        return Notice(
            .clockSkew, during: .query,
            detail: "This host's clock is \(rounded) s \(seconds > 0 ? "behind" : "ahead of") the server's.",
            evidence: [Evidence(.agent, code: Int(seconds.rounded()), text: "server clock minus local clock, in seconds")])
    }

    /// Addresses that did not answer before one did.
    package static func deadAddresses(_ dead: [(address: String, evidence: Evidence)], living: String) -> Notice? {
        guard !dead.isEmpty else { return nil }
        let list = dead.map(\.address).joined(separator: ", ")
        return Notice(
            .addressDead, during: .tcp, detail: "The name also has the address \(list), which does not answer; \(living) does.",
            evidence: dead.map(\.evidence))
    }
}
