// Certificates that another TLS library hands over as bytes.
package import Diagnosis

extension CertificateFacts {
    /// What the certificate says; nil when the bytes are none. The end of its chain counts as its own.
    package init?(der: [UInt8]) {
        guard let facts = CertificateReader.facts(der: der) else { return nil }
        self = facts
    }
}
