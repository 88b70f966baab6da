// How an answer is to look: chosen by the command that will print it as it comes.
import Diagnosis

/// The look of one answer.
struct Presentation: Sendable {
    var style = TextStyle.plain
    private var isPretty = false

    /// Takes `width`, `color` and `pretty` out of the parameters of a local request; over the web there is one look, and these are unknown.
    init(takenFrom request: inout RequestTarget, isLocal: Bool) {
        guard isLocal else { return }
        let values = Dictionary(request.parameters.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        style = TextStyle(color: values["color"] == "true", width: min(values["width"].flatMap(Int.init) ?? 100, 10_000))
        isPretty = values["pretty"] == "true"
        request.parameters.removeAll { ["width", "color", "pretty"].contains($0.name) }
    }

    func json(_ json: JSON, status: Int = 200) -> Answer {
        isPretty ? Answer.json(text: json.pretty, status: status) : .json(json, status: status)
    }

    /// Whether JSON is named, and nothing else is wanted more. For what is text by itself.
    func prefersJSON(_ accept: String?) -> Bool { weight("application/json", accept) > weight("text/plain", accept) }

    /// Whether text is named, and JSON is not wanted as much. For what is JSON by itself.
    func prefersText(_ accept: String?) -> Bool { weight("text/plain", accept) > weight("application/json", accept) }

    /// Only what is named: whoever takes everything takes what comes by itself.
    private func weight(_ name: String, _ accept: String?) -> Int {
        Preference.list(accept ?? "").filter { $0.name == name }.map(\.weight).max() ?? 0
    }
}
