// The configuration as it is in force: every key with its value, and where the value comes from. It reads back as the same configuration.
package import Diagnosis

/// What `agent config show` prints. There is no secret in it, because there is none in a configuration.
package struct EffectiveConfiguration: Sendable {
    /// The keys of the file, defaults filled in, relative names of files made whole.
    package let json: JSON
    /// By path (`targets[0].interval`): where a value comes from that the file does not give.
    private let origins: [String: String]

    /// - Parameter text: the file that the configuration was read from; nil marks nothing as a default.
    package init(_ configuration: Configuration, text: [UInt8]? = nil) {
        json = Self.document(configuration)
        let given = text.map { Self.paths(of: YAMLDocument.read(String(decoding: $0, as: UTF8.self)).root) }
        var origins: [String: String] = [:]
        if let given {
            Self.leaves(of: json, path: "") { path in
                // Rights have no defaults, and a word of the file may be shown as the mapping that it stands for.
                guard !given.contains(path), !path.contains("].privileges.") else { return }
                let isOfTarget = path.hasPrefix("targets[") && (path.hasSuffix("].interval") || path.hasSuffix("].timeout"))
                if path == "history.path" {
                    origins[path] = "default, by what is writable here"
                } else if path == "server.socket" {
                    origins[path] = "default, beside the history"
                } else if isOfTarget {
                    origins[path] = "of defaults"
                } else {
                    origins[path] = "default"
                }
            }
        }
        self.origins = origins
    }

    /// Reads the file once more, to tell what stands in it. Blocks on the disk.
    package init(reading configuration: Configuration) {
        let text = try? FileText.read(configuration.file, limit: Configuration.sizeLimit).get()
        self.init(configuration, text: text)
    }

    /// **Shape**: block style, a comment behind every value that the file does not give.
    package var yaml: String { YAMLText.render(json, comments: origins) }

    private static func document(_ configuration: Configuration) -> JSON {
        let document: JSON = [
            "cloud": configuration.cloud.rawValue,
            "dns": ["servers": configuration.nameServers.map(\.description)] as JSON,
            "defaults": [
                "interval": Durations.text(configuration.defaults.interval), "timeout": Durations.text(configuration.defaults.timeout),
            ] as JSON,
            "identities": JSON.object(configuration.identities.map { JSON.Member(key: $0.name, value: identity($0)) }),
            "targets": JSON.array(configuration.targets.map(target)),
            "server": [
                "listen": configuration.server.listen.map(\.description), "hosts": configuration.server.hosts,
                "socket": configuration.server.socket.map { JSON.string($0.path) } ?? JSON.bool(false),
            ] as JSON,
            "history": [
                "path": configuration.history.path,
                "keep": [
                    "detail": Durations.text(configuration.history.keep.detail),
                    "failures": Durations.text(configuration.history.keep.failures),
                    "hourly": Durations.text(configuration.history.keep.hourly),
                    "daily": Durations.text(configuration.history.keep.daily),
                ] as JSON,
                "max_size": Sizes.text(configuration.history.maximumSize),
            ] as JSON,
            "limits": ["concurrency": configuration.limits.concurrency] as JSON,
            "log": ["level": configuration.log.level.rawValue, "format": configuration.log.format.rawValue] as JSON,
        ]
        return document.withoutEmptyIdentities
    }

    private static func identity(_ definition: IdentityDefinition) -> JSON {
        switch definition.selector {
        case .systemAssigned: ["kind": "managed_identity"]
        case .clientID(let id): ["kind": "managed_identity", "client_id": id]
        case .objectID(let id): ["kind": "managed_identity", "object_id": id]
        case .resourceID(let id): ["kind": "managed_identity", "resource_id": id]
        }
    }

    private static func target(_ target: Target) -> JSON {
        var members: [(String, JSON?)] = [
            ("name", .string(target.name)), ("engine", .string(target.engine.rawValue)), ("host", .string(target.host)),
            ("port", .integer(Int64(target.port))), ("database", .string(target.database)), ("user", target.user.map { .string($0) }),
            ("identities", .array(target.identities.map { .string($0) })), ("interval", .string(Durations.text(target.interval))),
            ("timeout", .string(Durations.text(target.timeout))), ("tls", target.caFile.map { ["ca_file": $0] as JSON }),
        ]
        if target.engine == .azuresql, target.wake != .auto {
            if case .budget = target.wake {
                members.append(("wake", ["budget": target.wake.text]))
            } else {
                members.append(("wake", .string(target.wake.text)))
            }
        }
        if !target.privileges.isEmpty {
            let lists = [("require", target.privileges.require), ("deny", target.privileges.deny)].filter { !$0.1.isEmpty }
            members.append(("privileges", .object(lists.map { JSON.Member(key: $0, value: .array($1.map(privilege))) })))
        }
        return .object(members.compactMap { key, value in value.map { JSON.Member(key: key, value: $0) } })
    }

    private static func privilege(_ rule: PrivilegeRule) -> JSON {
        if rule.name == nil, rule.rights.count == 1, rule.object == .database || rule.object == .role {
            return .string(rule.rights[0].rawValue)
        }
        let members: [JSON.Member] = [
            .init(key: "on", value: .string(rule.object.description)),
            .init(key: "grants", value: .array(rule.rights.map { .string($0.rawValue) })),
        ]
        return .object(members + (rule.name.map { [.init(key: "name", value: .string($0))] } ?? []))
    }

    // MARK: Where values come from

    private static func leaves(of value: JSON, path: String, _ visit: (String) -> Void) {
        switch value {
        case .object(let members) where !members.isEmpty:
            for member in members { leaves(of: member.value, path: path.isEmpty ? member.key : "\(path).\(member.key)", visit) }
        case .array(let items) where items.contains { if case .object = $0 { true } else { false } }:
            for (index, item) in items.enumerated() { leaves(of: item, path: "\(path)[\(index)]", visit) }
        default: visit(path)
        }
    }

    /// The paths of everything that stands in the file, sections included.
    private static func paths(of root: YAMLValue?) -> Set<String> {
        var paths: Set<String> = []
        func visit(_ value: YAMLValue, _ path: String) {
            paths.insert(path)
            switch value.content {
            case .scalar: break
            case .list(let items): for (index, item) in items.enumerated() { visit(item, "\(path)[\(index)]") }
            case .mapping(let entries): for entry in entries { visit(entry.value, path.isEmpty ? entry.key : "\(path).\(entry.key)") }
            }
        }
        if let root { visit(root, "") }
        return paths
    }
}

extension JSON {
    /// `identities:` with nothing in it would be an error of the file.
    fileprivate var withoutEmptyIdentities: JSON {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.key != "identities" || $0.value != .object([]) })
    }
}
