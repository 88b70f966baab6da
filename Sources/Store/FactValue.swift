// The facts of a check that history keeps: what changes seldom, each under its own name.
import Diagnosis

extension Facts {
    /// What is known and lasts, on top of what was known before.
    ///
    /// Left out is what differs from probe to probe: time to live, clock skew, end of the token, the address chosen. What was not seen
    /// this time stays: a probe that ended early brings no change of certificate.
    func steady(over known: Facts?) -> Facts {
        var steady = known ?? Facts()
        // In order of the alphabet: a resolver that turns its answers round brings no news.
        if !addresses.isEmpty { steady.addresses = addresses.sorted() }
        if !aliases.isEmpty { steady.aliases = aliases }
        steady.certificate = certificate ?? steady.certificate
        steady.tlsVersion = tlsVersion ?? steady.tlsVersion
        steady.tlsCipher = tlsCipher ?? steady.tlsCipher
        steady.serverVersion = serverVersion ?? steady.serverVersion
        steady.sessionUser = sessionUser ?? steady.sessionUser
        steady.currentUser = currentUser ?? steady.currentUser
        steady.database = database ?? steady.database
        steady.isInRecovery = isInRecovery ?? steady.isInRecovery
        steady.serviceObjective = serviceObjective ?? steady.serviceObjective
        steady.redirectedTo = redirectedTo ?? steady.redirectedTo
        steady.wake = wake ?? steady.wake
        steady.principal = principal ?? steady.principal
        steady.objectID = objectID ?? steady.objectID
        steady.appID = appID ?? steady.appID
        steady.tenant = tenant ?? steady.tenant
        // A look that failed is no news about rights.
        if let seen = privileges, seen.problem == nil { steady.privileges = seen }
        steady.rights = rights ?? steady.rights
        return steady
    }

    /// The facts that history keeps, each under its own name.
    var lasting: [FactValue] {
        var values: [FactValue] = []
        func add(_ name: String, _ value: (some JSONRepresentable)?) {
            if let value { values.append(FactValue(name: name, value: value.json.compact)) }
        }
        add("addresses", addresses.isEmpty ? nil : addresses)
        add("aliases", aliases.isEmpty ? nil : aliases)
        add("certificate", certificate)
        add("tls_version", tlsVersion)
        add("tls_cipher", tlsCipher)
        add("server_version", serverVersion)
        add("session_user", sessionUser)
        add("current_user", currentUser)
        add("database", database)
        add("in_recovery", isInRecovery)
        add("service_objective", serviceObjective)
        add("redirected_to", redirectedTo)
        add("wake", wake)
        add("principal", principal)
        add("object_id", objectID)
        add("app_id", appID)
        add("tenant_id", tenant)
        add("privileges", privileges?.summary)
        add("rights", rights?.summary)
        return values
    }
}
