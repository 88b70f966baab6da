// What the server has said so far, in answer to a login and in answer to a request.

/// What the answer to a login has said so far.
struct LoginProgress: Sendable, Hashable {
    var acknowledgement: LoginAcknowledgement?
    var features: [FeatureAcknowledgement] = []
    var errors: [TDSServerMessage] = []
    var notices: [TDSServerMessage] = []
    var route: Route?
    var issuer: FederatedAuthenticationInfo?
    var isDone = false
    /// A DONE says that it failed, be there an ERROR or not.
    var hasFailed = false

    /// Errors, and the notice that names the session in the service's logs (40608).
    /// **Source**: Microsoft Learn, "Database Engine events and errors", 31000 to 41399.
    var said: [TDSServerMessage] { notices.filter { $0.number == 40608 } + errors }

    /// What is wrong about the token here; nil when it belongs.
    mutating func take(_ token: ReplyToken, method: LoginPlan.Method) -> String? {
        switch token {
        case .loginAcknowledgement(let it): acknowledgement = it
        case .featureAcknowledgements(let list):
            // Only the token login is asked for. **Source**: MS-TDS 2.2.7.11.
            if let other = list.first(where: { $0.id != .federatedAuthentication }) {
                return "The server acknowledges feature 0x\(hexadecimal(other.id.rawValue)), which was not asked for."
            }
            features += list
        case .error(let message): errors.append(message)
        case .info(let message): notices.append(message)
        case .environmentChange(.routing(let it)):
            // Type 21 needs feature 0x0F, which is never asked for. Source: MS-TDS 2.2.7.9, Enhanced Routing.
            guard it.database == nil else { return "The server sends its client elsewhere by enhanced routing, which was not asked for." }
            route = it
        case .federatedAuthenticationInfo(let it):
            guard method == .askIssuer else { return "The server sends FEDAUTHINFO to a client that has sent its token already." }
            issuer = it
        case .done(let done):
            isDone = !done.status.contains(.more)
            if !done.status.isDisjoint(with: [.error, .serverError]) { hasFailed = true }
        case .environmentChange, .skipped, .order: break
        case .columns, .row, .returnStatus, .returnValue, .doneProcedure, .doneInProcedure:
            return "The answer to the login holds parts of a query's answer."
        }
        return nil
    }
}

/// What the answer to a request has said so far.
package struct RequestProgress: Sendable, Hashable {
    package let id: RequestID
    private(set) var result = TDSResult()
    private(set) var errors: [TDSServerMessage] = []
    private(set) var rowCount = 0
    private(set) var isComplete = false
    private(set) var isFatal = false
    /// A DONE says that a statement failed, be there an ERROR or not.
    private(set) var hasFailed = false

    package init(_ id: RequestID) { self.id = id }

    var said: [TDSServerMessage] { errors + result.notices }

    mutating func take(_ token: ReplyToken) {
        switch token {
        case .columns(let columns): if !columns.isEmpty { result.sets.append(TDSResultSet(columns: columns)) }
        case .row(let values, _):
            rowCount += 1
            if !result.sets.isEmpty { result.sets[result.sets.count - 1].rows.append(values) }
        case .done(let done), .doneProcedure(let done):
            count(done)
            isComplete = !done.status.contains(.more)
        case .doneInProcedure(let done): count(done)
        case .error(let message):
            errors.append(message)
            if message.class >= 20 { isFatal = true }
        case .info(let message): result.notices.append(message)
        case .returnStatus(let status): result.returnStatus = status
        case .returnValue(let output): result.outputs[output.name] = output.value
        case .environmentChange, .loginAcknowledgement, .featureAcknowledgements, .federatedAuthenticationInfo, .order, .skipped: break
        }
    }

    private mutating func count(_ done: Done) {
        if done.status.contains(.count) { result.counts.append(done.rowCount) }
        if done.status.contains(.error) { hasFailed = true }
        if done.status.contains(.serverError) { isFatal = true }
    }

    /// Takes the row away that was one too many.
    mutating func truncate() {
        result.isTruncated = true
        if !result.sets.isEmpty { result.sets[result.sets.count - 1].rows.removeLast() }
    }

    var outcome: SessionAction {
        guard !errors.isEmpty || isFatal || hasFailed else { return .finishRequest(id, result) }
        let detail =
            isFatal
            ? "The server ended the session with the statement."
            : errors.isEmpty ? "The server says that the statement failed, and not why." : "The statement failed."
        return .failRequest(id, TDSFailure(.requestFailed, during: .query, detail, messages: said))
    }
}
