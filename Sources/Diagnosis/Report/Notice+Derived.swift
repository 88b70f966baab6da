// Warnings that follow from what every successful probe sees.

extension Notice {
    /// Until this long before the end of a certificate nothing is said; closer than the second, it is an error.
    package static let certificateLimits = (warning: Duration.seconds(21 * 86400), error: Duration.seconds(3 * 86400))
    /// **Unit**: seconds of difference between two clocks.
    package static let skewLimits = (warning: 60.0, error: 240.0)

    /// What the facts of a probe warn of.
    package static func derived(from facts: Facts, now: Timestamp) -> [Notice] {
        var notices: [Notice] = []
        if let certificate = facts.certificate, certificate.chainNotAfter > now,
            certificate.chainNotAfter - now < certificateLimits.warning
        {
            let whose =
                certificate.chainNotAfter < certificate.notAfter ? "A certificate of the server's chain" : "The server's certificate"
            notices.append(
                Notice(
                    .certificateExpiresSoon, during: .tls,
                    detail: "\(whose) ends \(certificate.chainNotAfter.description), in \(Span.long(certificate.chainNotAfter - now)).",
                    evidence: [Classifier.evidence(of: certificate)]))
        }
        if let skew = facts.clockSkew, abs(skew) > skewLimits.warning {
            let bounded = Duration.seconds(fraction: skew)
            let size = Span.long(bounded < .zero ? .zero - bounded : bounded)
            notices.append(
                Notice(
                    .clockSkew, during: .query,
                    detail: "The database's clock is \(size) \(skew > 0 ? "ahead of" : "behind") this host's.",
                    evidence: [Evidence(.agent, text: "clock skew \(Int(bounded.seconds.rounded())) s")]))
        }
        return notices
    }

    /// How bad it is, by the facts of the probe that noticed it.
    package func severity(facts: Facts, now: Timestamp) -> Severity {
        switch code {
        case .certificateExpiresSoon:
            guard let end = facts.certificate?.chainNotAfter else { return code.row.severity }
            return end - now < Self.certificateLimits.error ? .error : .warning
        case .clockSkew: return abs(facts.clockSkew ?? 0) > Self.skewLimits.error ? .error : .warning
        default: return severity ?? code.row.severity
        }
    }
}
