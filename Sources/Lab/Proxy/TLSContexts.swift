// The TLS servers that the proxies of one engine can be: one per certificate.
import NIOSSL

/// Contexts are costly to make and shared by all connections.
struct TLSContexts: Sendable {
    var good: NIOSSLContext
    var unknownIssuer: NIOSSLContext
    var wrongName: NIOSSLContext
    var expired: NIOSSLContext
    var notYetValid: NIOSSLContext
    var old: NIOSSLContext

    init(_ certificates: ServerCertificates) throws {
        func context(_ pair: CertifiedKey, _ minimum: TLSVersion = .tlsv12, _ maximum: TLSVersion? = nil) throws -> NIOSSLContext {
            let chain = try pair.certificates.map {
                NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: Array($0.utf8), format: .pem))
            }
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem)))
            configuration.minimumTLSVersion = minimum
            configuration.maximumTLSVersion = maximum
            return try NIOSSLContext(configuration: configuration)
        }
        self.good = try context(certificates.good)
        self.unknownIssuer = try context(certificates.unknownIssuer)
        self.wrongName = try context(certificates.wrongName)
        self.expired = try context(certificates.expired)
        self.notYetValid = try context(certificates.notYetValid)
        self.old = try context(certificates.good, .tlsv1, .tlsv11)
    }

    /// The server that a fault presents; the good one for faults that lie elsewhere.
    func context(for fault: Fault) -> NIOSSLContext {
        switch fault {
        case .tlsUnknownCA: unknownIssuer
        case .tlsWrongName: wrongName
        case .tlsExpired: expired
        case .tlsNotYetValid: notYetValid
        case .tlsTooOld: old
        default: good
        }
    }
}
