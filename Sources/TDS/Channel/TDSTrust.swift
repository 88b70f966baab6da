// Whom a client believes. There is no way to believe everybody.

import NIOCore
import NIOPosix
import NIOSSL

/// Trust anchors, read once and used by any number of connections.
///
/// Chain and name are always verified, TLS 1.2 is the least. Reading the system's bundle takes milliseconds, so keep the value.
public struct TDSTrust: Sendable {
    public enum Anchors: Sendable, Hashable {
        /// The bundle of the operating system.
        case system
        /// PEM files alone.
        case files([String])
        /// The system's bundle and PEM files.
        case systemAnd(files: [String])
    }

    /// Within packets of TDS 7.4. Capped at TLS 1.2: with 1.3 the two sides do not agree when wrapping ends.
    let wrapped: NIOSSLContext
    /// TDS 8.0: bare TLS with its own application protocol.
    let strict: NIOSSLContext

    /// Reads the anchors. **Isolation**: blocks on files; `load` does the same elsewhere.
    ///
    /// **Throws** `misuse` naming the file that cannot be used.
    public init(_ anchors: Anchors) throws(TDSFailure) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = .fullVerification
        configuration.shutdownTimeout = .seconds(1)
        switch anchors {
        case .system: configuration.trustRoots = .default
        case .files(let paths): configuration.trustRoots = .certificates(try Self.read(paths))
        case .systemAnd(let paths):
            configuration.trustRoots = .default
            configuration.additionalTrustRoots = [.certificates(try Self.read(paths))]
        }
        do {
            var strict = configuration
            // Source: MS-TDS 2.1, TDS 8.0 transport.
            strict.applicationProtocols = ["tds/8.0"]
            self.strict = try NIOSSLContext(configuration: strict)
            configuration.maximumTLSVersion = .tlsv12
            wrapped = try NIOSSLContext(configuration: configuration)
        } catch {
            throw TDSFailure(.misuse, during: .tls, "The trust anchors cannot be used: \(error).")
        }
    }

    /// Reads the anchors on a thread for blocking work.
    public static func load(_ anchors: Anchors) async throws(TDSFailure) -> TDSTrust {
        let result = try? await NIOThreadPool.singleton.runIfActive { Result { () throws(TDSFailure) in try TDSTrust(anchors) } }
        guard let result else { throw TDSFailure(.cancelled, during: .tls, "The trust anchors were not read: the program is ending.") }
        return try result.get()
    }

    private static func read(_ paths: [String]) throws(TDSFailure) -> [NIOSSLCertificate] {
        var certificates: [NIOSSLCertificate] = []
        for path in paths {
            do {
                certificates += try NIOSSLCertificate.fromPEMFile(path)
            } catch {
                throw TDSFailure(.misuse, during: .tls, "The trust anchors of \(path) cannot be read: \(error).")
            }
        }
        return certificates
    }
}
