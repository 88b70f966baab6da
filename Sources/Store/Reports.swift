// Failures as text in the file, and back.
import Diagnosis

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum Reports {
    /// **Shape**: JSON with sorted keys, so that equal failures are equal texts.
    static func text(of failure: Failure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(failure) else { return "{}" }
        return String(decoding: data, as: UTF8.self)
    }

    /// A report that cannot be read any more, because of a code of a later version, is still a failure.
    /// - Parameter words: what the failure says in other words than the report that it shares.
    static func failure(from report: String, words: String? = nil) -> Failure {
        let text = ReportWords.apply(words, to: report)
        return (try? JSONDecoder().decode(Failure.self, from: Data(text.utf8)))
            ?? Failure(
                .unclassified, during: .internal, certainty: .likely, detail: "the stored report cannot be read",
                evidence: [Evidence(.agent, text: text)])
    }
}
