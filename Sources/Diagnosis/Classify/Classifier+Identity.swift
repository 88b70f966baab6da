// Causes of what identity endpoints reply, and of requests that got no reply. Source: fact sheet "Identity", sections 11.1, 11.2 and 12.

/// A reply of an identity endpoint that is not a token.
package struct IdentityReply: Sendable {
    package var source: TokenSourceKind
    package var status: Int
    package var body: String
    /// The header `Server`; IMDS says `IMDS/…`.
    package var server: String?
    package var contentType: String?
    package var selector: ManagedIdentitySelector

    package init(
        source: TokenSourceKind, status: Int, body: String, server: String? = nil, contentType: String? = nil,
        selector: ManagedIdentitySelector = .systemAssigned
    ) {
        self.source = source
        self.status = status
        self.body = body
        self.server = server
        self.contentType = contentType
        self.selector = selector
    }
}

extension Classifier {
    package static func identityReply(
        source: TokenSourceKind, status: Int, body: String, server: String? = nil, contentType: String? = nil,
        selector: ManagedIdentitySelector = .systemAssigned
    ) -> Failure {
        identityReply(
            IdentityReply(source: source, status: status, body: body, server: server, contentType: contentType, selector: selector))
    }

    /// A reply that is not a token: an error, or a success that cannot be used.
    package static func identityReply(_ reply: IdentityReply) -> Failure {
        let fields = ReplyFields(reply.body)
        let message = ForeignText(reply.body)
        let aadsts = entraNumber(in: message)
        var evidence = [Evidence(.http, code: reply.status, text: summary(of: reply, fields))]
        if let aadsts { evidence.append(Evidence(.aadsts, code: aadsts, text: "number of Entra's error")) }
        if let error = fields.error {
            evidence.append(Evidence(.oauth, code: error, text: fields.description ?? "error field of the reply"))
        }

        func failure(_ cause: Cause, _ certainty: Failure.Certainty = .certain, _ detail: String? = nil) -> Failure {
            Failure(cause, during: .token, certainty: certainty, detail: detail, evidence: evidence)
        }
        if let aadsts, let cause = entraCause(aadsts) { return failure(cause) }
        if reply.status == 400 || reply.status == 404 || reply.status == 500 {
            if let row = replyRows.first(where: { ($0.source == nil || $0.source == reply.source) && message.matchesAny($0.patterns) }) {
                return failure(row.cause(reply.selector), row.certainty, row.detail(reply.selector))
            }
        }
        switch (reply.status, reply.source) {
        case (200..<300, _): return failure(.identityReplyInvalid, .certain, "The reply is no token: \(shape(of: reply)).")
        case (300..<400, _):
            return failure(.identityReplyInvalid, .certain, "The endpoint sends the client elsewhere, which is not followed.")
        case (401, .imds):
            return failure(.identityEndpointUnreachable, .likely, "IMDS does not recognise this host: the request came to it by a detour.")
        case (403, .imds) where message.matches("unreachable") || !isIMDS(reply):
            return failure(.identityEndpointUnreachable, .likely, "A proxy answered in place of IMDS.")
        case (401, .appService), (403, .appService):
            return failure(
                .identityReplyInvalid, .likely,
                "The endpoint does not accept the identity header: it belongs to an earlier start of the app.")
        case (404, .imds), (410, _):
            let what = reply.source == .imds ? "IMDS is being updated; it is back within about 70 seconds." : "The endpoint is being updated."
            return failure(.entraUnavailable, .likely, what)
        case (408, _), (429, _): return failure(.entraUnavailable, .certain, reply.status == 429 ? "Too many requests for tokens." : nil)
        case (502, .imds) where !isIMDS(reply), (504, .imds) where !isIMDS(reply):
            return failure(.identityEndpointUnreachable, .likely, "A proxy answered in place of IMDS.")
        case (500..<600, .imds) where !isIMDS(reply):
            return failure(.entraUnavailable, .likely, "Something before IMDS answered: IMDS is restarting.")
        case (500..<600, _): return failure(.entraUnavailable)
        default: return failure(fields.error.flatMap(oauthCause) ?? .identityReplyInvalid, .likely)
        }
    }

    // MARK: texts

    private struct ReplyRow {
        var source: TokenSourceKind?
        var patterns: [String]
        var cause: (ManagedIdentitySelector) -> Cause
        var certainty: Failure.Certainty = .certain
        var detail: (ManagedIdentitySelector) -> String? = { _ in nil }
    }

    /// First hit wins.
    private static var replyRows: [ReplyRow] {
        [
            ReplyRow(
                source: .imds, patterns: ["identity not found"], cause: { _ in .identityNotAssigned },
                detail: { "\(name(of: $0)) is not assigned to this machine." }),
            ReplyRow(
                source: .imds, patterns: ["multiple user assigned identities exist"], cause: { _ in .identityClientIDWrong },
                detail: { _ in "This machine has several user-assigned identities and none was named." }),
            ReplyRow(
                source: .imds, patterns: ["required metadata header not specified", "bad_request_102"],
                cause: { _ in .identityReplyInvalid }, certainty: .likely,
                detail: { _ in "The header Metadata did not arrive: something on the way removed it." }),
            ReplyRow(
                source: .appService,
                patterns: [
                    "no user assigned or delegated managed identity found", "no managed identity found", "no msi found for specified",
                ], cause: { _ in .identityNotAssigned }, detail: { "\(name(of: $0)) is not assigned to this app or slot." }),
            ReplyRow(
                source: .appService, patterns: ["unable to load the proper managed identity"],
                cause: { $0 == .systemAssigned ? .identityClientIDWrong : .identityNotAssigned },
                detail: {
                    $0 == .systemAssigned
                        ? "The app has no system-assigned identity, and no user-assigned one was named."
                        : "\(name(of: $0)) is not assigned to this app or slot."
                }),
            ReplyRow(
                source: .appService, patterns: ["fetching the aad token"], cause: { _ in .entraUnavailable }, certainty: .likely,
                detail: { _ in "The platform could not fetch the token: its way to Entra is closed, or the resource is wrong." }),
            ReplyRow(source: nil, patterns: ["invalid_resource"], cause: { _ in .entraAppNotFound }),
        ]
    }

    private static func name(of selector: ManagedIdentitySelector) -> String {
        switch selector {
        case .systemAssigned: "A managed identity"
        case .clientID(let id): "The identity with client id \(id)"
        case .objectID(let id): "The identity with object id \(id)"
        case .resourceID(let id): "The identity \(id.split(separator: "/").last ?? "")"
        }
    }

    // MARK: Entra's numbers

    /// The first `AADSTS` number, or the first of `error_codes`.
    private static func entraNumber(in message: ForeignText) -> Int? {
        let isDigit: (UInt8) -> Bool = { (0x30...0x39).contains($0) }
        if let digits = message.capture(after: "aadsts", while: isDigit) { return Int(digits) }
        return message.capture(after: "\"error_codes\":", while: isDigit).flatMap { Int($0) }
    }

    /// - Returns: nil for a number that no rule knows; the OAuth error and the status decide then.
    package static func entraCause(_ number: Int) -> Cause? {
        switch number {
        case 7_000_215, 7_000_222, 7_000_218, 7_000_216, 700_025, 700_027, 700_030, 50012, 50027: .appCredentialInvalid
        case 70021, 70023, 70025, 700_211, 700_212, 700_213, 7_002_137, 7_002_138, 700_021, 700_024, 700_222, 700_229, 700_236...700_238,
            50013, 500_133:
            .federatedCredentialMismatch
        case 700_016, 7_000_229, 7_000_112, 90002, 900_023, 900_021, 50059, 50128, 500_011, 50001, 650_057, 70011, 1_002_012, 28002,
            901_002,
            90038, 900_382, 900_432, 90051, 50049, 50194, 65002, 100_007:
            .entraAppNotFound
        case 53000...53999, 530_000...530_999, 50076, 50079, 50072, 50078, 50074, 50158, 50097, 50005, 50131, 50105, 50057, 65001,
            7_000_113,
            500_021, 500_022, 500_212, 500_213, 500_207, 530_084:
            .entraPolicyDenied
        case 90033, 90006, 90012, 90024, 90090, 50033, 50087, 50196, 90055, 90061, 700_006, 135_010: .entraUnavailable
        default: nil
        }
    }

    /// Source: RFC 6749, section 5.2, and the words IMDS adds.
    private static func oauthCause(_ error: String) -> Cause? {
        switch error {
        case "invalid_client": .appCredentialInvalid
        case "invalid_resource", "invalid_scope", "invalid_target": .entraAppNotFound
        case "unauthorized_client", "invalid_grant", "access_denied", "interaction_required", "consent_required": .entraPolicyDenied
        case "temporarily_unavailable", "server_error": .entraUnavailable
        default: nil
        }
    }

    // MARK: what was seen

    /// The fields of an error reply, in the spellings of IMDS, App Service and Entra.
    private struct ReplyFields {
        var error: String?
        var description: String?

        init(_ body: String) {
            let json = JSON(parsing: body)
            error = json?["error"]?.text ?? json?["error"]?["code"]?.text
            description =
                json?["error_description"]?.text ?? json?["message"]?.text ?? json?["Message"]?.text ?? json?["error"]?["message"]?.text
        }
    }

    private static func summary(of reply: IdentityReply, _ fields: ReplyFields) -> String {
        // A success is never quoted: whatever it is, a token may be in it.
        let text = (200..<300).contains(reply.status) ? shape(of: reply) : fields.description ?? String(reply.body.prefix(200))
        let server = reply.server.map { " (server \($0))" } ?? ""
        return (text.isEmpty ? "empty reply" : text) + server
    }

    private static func shape(of reply: IdentityReply) -> String {
        let kind = reply.contentType ?? "no content type"
        let head = reply.body.drop(while: \.isWhitespace).prefix(1)
        let form =
            switch head {
            case "": "empty"
            case "<": "markup"
            case "{": JSON(parsing: reply.body) == nil ? "broken JSON" : "JSON without a usable token"
            default: "not JSON"
            }
        return "\(form), \(reply.body.utf8.count) bytes, \(kind)"
    }

    private static func isIMDS(_ reply: IdentityReply) -> Bool { reply.server?.uppercased().hasPrefix("IMDS/") ?? false }

    // MARK: no reply

    /// A request that curl gave up.
    /// - Parameter endpoint: where it went, without a query.
    package static func curl(code: Int, text: String, source: TokenSourceKind, endpoint: String? = nil) -> Failure {
        let evidence = Evidence(.curl, code: code, text: endpoint.map { "\(text) (\($0))" } ?? text)
        func failure(_ cause: Cause, _ detail: String? = nil) -> Failure {
            Failure(cause, during: .token, detail: detail, evidence: [evidence])
        }
        // Source: libcurl, curl.h, CURLcode.
        switch code {
        case 7:
            return failure(
                .identityEndpointUnreachable,
                source == .appService ? "Nothing listens at the identity endpoint; it comes up some seconds after the app." : nil)
        case 28: return failure(.identityEndpointUnreachable, "The identity endpoint did not answer in time.")
        case 5, 6, 35, 45, 52, 55, 56, 60, 97: return failure(.identityEndpointUnreachable)
        case 1 where ForeignText(text).matches("http/0.9"):
            return failure(.identityReplyInvalid, "What answers at the identity endpoint does not speak HTTP.")
        case 1, 3: return failure(.configInvalid, "The address of the identity endpoint cannot be used.")
        case 58, 77: return failure(.configInvalid, "A certificate file cannot be read.")
        case 8, 18, 23, 47, 61, 63: return failure(.identityReplyInvalid)
        case 2, 27, 42, 43: return failure(.probeInternal)
        default: return Failure(.identityEndpointUnreachable, during: .token, certainty: .likely, evidence: [evidence])
        }
    }
}
