// What the lab hands to an agent: the environment of an application on Azure, and a configuration file.
package import Diagnosis

extension Lab {
    /// The variables of the compute: exactly one identity endpoint, as on Azure.
    package var environment: [String: String] {
        switch options.identityKind {
        case .appService:
            ["IDENTITY_ENDPOINT": identity.appServiceEndpoint, "IDENTITY_HEADER": identity.secretHeader.reveal { $0 }]
        case .imds: ["AZURE_POD_IDENTITY_AUTHORITY_HOST": identity.imdsAuthority]
        }
    }

    /// The same for code that takes it as a value.
    package var identityEnvironment: IdentityEnvironment {
        switch options.identityKind {
        case .appService: IdentityEnvironment(identityEndpoint: identity.appServiceEndpoint, identityHeader: identity.secretHeader)
        case .imds: IdentityEnvironment(imdsAuthority: identity.imdsAuthority)
        }
    }

    /// `dns.servers` of the configuration: one `address:port`.
    package var nameServers: [String] { ["\(nameServer.host):\(nameServer.port)"] }

    /// A complete configuration file (YAML) for the targets and identities of this lab.
    package var configurationYAML: String {
        var lines = ["# Of a running agent-lab. Start the agent with the lab's environment.", "cloud: public"]
        lines.append("dns: {servers: [\(nameServers.map { "\"\($0)\"" }.joined(separator: ", "))]}")
        lines.append("identities:")
        for principal in options.principals {
            switch principal.kind {
            case .systemAssigned: lines.append("  \(principal.name): {kind: managed_identity}")
            case .userAssigned: lines.append("  \(principal.name): {kind: managed_identity, client_id: \(principal.clientID)}")
            }
        }
        lines.append("targets:")
        for target in options.targets {
            lines += [
                "  - name: \(target.name)", "    engine: \(target.engine.rawValue)", "    host: \(target.host)",
                "    port: \(endpoint(of: target).port)",
                "    database: \(target.database)",
            ]
            if target.engine != .azuresql { lines.append("    user: \(target.role)") }
            lines += [
                "    identities: [\(target.identities.joined(separator: ", "))]",
                "    tls: {ca_file: \"\(caFile)\"}",
            ]
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Lab {
    /// Lines for a shell: `eval "$(agent-lab env)"`.
    package func environmentScript(configuration: String?) -> String {
        var variables = environment
        if let configuration { variables["AGENT_CONFIG"] = configuration }
        return variables.sorted { $0.key < $1.key }.map { "export \($0.key)='\($0.value)'\n" }.joined()
    }

    var environmentJSON: JSON {
        .joining(environment.sorted { $0.key < $1.key }.map { name, value -> JSON in [name: value] })
    }

    /// What a program that started the lab wants to know: one line of JSON.
    package func readyLine(directory: String, configuration: String, environmentFile: String) -> String {
        let line: JSON = [
            "schema": 1, "ready": true, "directory": directory, "configuration": configuration, "environment": environmentFile,
            "ca_file": caFile,
            "identity_endpoint": identity.appServiceEndpoint, "imds_authority": identity.imdsAuthority, "name_servers": nameServers,
            "token_check": postgres?.tokenCheck.rawValue, "notice": postgres?.notice,
            "targets": options.targets.map { target -> JSON in
                let endpoint = endpoint(of: target)
                return [
                    "name": target.name, "engine": target.engine.rawValue, "host": target.host, "address": endpoint.host,
                    "port": endpoint.port, "database": target.database,
                    "user": target.role, "black_hole": target.blackHole,
                ]
            },
        ]
        return line.compact
    }
}
