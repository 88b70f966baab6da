// Reads what a certificate says into values. The only pointers here belong to OpenSSL and outlive each call.
import COpenSSL
import Diagnosis

/// Turns OpenSSL's certificates into ``CertificateFacts``.
enum CertificateReader {
    /// Facts of the leaf a peer presented; nil when it presented none.
    static func facts(of session: OpaquePointer) -> CertificateFacts? {
        guard let leaf = unsafe SSL_get1_peer_certificate(session) else { return nil }
        defer { unsafe X509_free(leaf) }
        let count = unsafe copenssl_chain_count(session)
        return unsafe facts(of: leaf, chain: (0..<min(count, 16)).map { unsafe copenssl_chain_certificate(session, $0) })
    }

    /// Facts of the leaf that is being verified; nil when there is none.
    static func facts(verifying context: OpaquePointer) -> CertificateFacts? {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(context) else { return nil }
        let count = unsafe copenssl_chain_length(context)
        return unsafe facts(of: leaf, chain: (0..<min(count, 16)).map { unsafe copenssl_chain_member(context, $0) })
    }

    /// Facts of a certificate by itself, as it came (DER); nil when it is none. Nothing is known of its chain.
    static func facts(der: [UInt8]) -> CertificateFacts? {
        let leaf = unsafe der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
            var start = bytes.baseAddress
            return unsafe d2i_X509(nil, &start, bytes.count)
        }
        guard let leaf = unsafe leaf else {
            ERR_clear_error()
            return nil
        }
        defer { unsafe X509_free(leaf) }
        return unsafe facts(of: leaf, chain: [])
    }

    private static func facts(of leaf: OpaquePointer, chain: [OpaquePointer?]) -> CertificateFacts {
        let notAfter = unsafe time(X509_get0_notAfter(leaf))
        var chainEnd = notAfter
        unsafe chain.forEach { certificate in
            if let certificate = unsafe certificate { unsafe chainEnd = min(chainEnd, time(X509_get0_notAfter(certificate))) }
        }
        return unsafe CertificateFacts(
            subject: name(X509_get_subject_name(leaf)), issuer: name(X509_get_issuer_name(leaf)), names: names(of: leaf),
            notBefore: time(X509_get0_notBefore(leaf)), notAfter: notAfter, chainNotAfter: chainEnd, sha256: digest(of: leaf))
    }

    /// SHA-256 of the leaf, hexadecimal; empty when there is none.
    static func leafDigest(of session: OpaquePointer) -> String {
        guard let leaf = unsafe SSL_get1_peer_certificate(session) else { return "" }
        defer { unsafe X509_free(leaf) }
        return unsafe digest(of: leaf)
    }

    private static func digest(of certificate: OpaquePointer) -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        let isDone = unsafe bytes.withUnsafeMutableBufferPointer { unsafe copenssl_sha256(certificate, $0.baseAddress) }
        return isDone == 1 ? hex(bytes) : ""
    }

    private static func time(_ time: UnsafePointer<ASN1_TIME>?) -> Timestamp {
        Timestamp(milliseconds: unsafe copenssl_seconds(time) * 1000)
    }

    private static func name(_ name: OpaquePointer?) -> String {
        unsafe text { buffer, capacity in unsafe copenssl_name(name, buffer, capacity) }
    }

    private static func names(of certificate: OpaquePointer) -> [String] {
        var names: [String] = []
        for index in 0..<Int32(32) {
            var kind: Int32 = 0
            let name = unsafe text { buffer, capacity in
                kind = unsafe copenssl_alternative_name(certificate, index, buffer, capacity)
                return max(kind, 0)
            }
            if kind == 0 { break }
            if kind > 0 { names.append(name) }
        }
        if names.isEmpty {
            let common = unsafe text { buffer, capacity in unsafe copenssl_common_name(certificate, buffer, capacity) }
            if !common.isEmpty { names = [common] }
        }
        return names
    }

    private static func text(_ fill: (UnsafeMutablePointer<CChar>?, Int32) -> Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 512)
        let count = unsafe buffer.withUnsafeMutableBufferPointer { unsafe fill($0.baseAddress, Int32($0.count)) }
        guard count > 0 else { return "" }
        return String(decoding: buffer.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Lower-case hexadecimal.
package func hex(_ bytes: some Sequence<UInt8>) -> String {
    var text = ""
    for byte in bytes {
        if byte < 16 { text += "0" }
        text += String(byte, radix: 16)
    }
    return text
}
