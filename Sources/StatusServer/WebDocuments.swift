// What the HTTP side alone writes as JSON, for the published schema.
package import Diagnosis

/// The kinds of documents that no command prints.
package enum WebDocuments {
    package static let all = [
        JSONDocument("error", "HTTP answers with a status of 400 or more", Refusal.shape),
        JSONDocument("targets", "/sd/targets", [TargetsRoute.Group].shape),
    ]
}
