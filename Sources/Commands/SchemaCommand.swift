// `agent schema`: the JSON Schema of everything that this program writes as JSON.
import ArgumentParser
import Diagnosis
import Settings

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Prints the JSON Schema (draft 2020-12) of what this program writes as JSON.",
        discussion: """
            Of all documents at once, or of one. Made of the tables that the documents are written by.

            DOCUMENTS (of commands: with --output json)
            \(OutputSchema.documents.map { "  \($0.name.padded(15))\($0.origin)" }.joined(separator: "\n"))
              config         the configuration file; the same as agent config schema

            EXAMPLES
              agent schema             every document, each under $defs by its name
              agent schema diagnose > diagnose.schema.json
            """)

    @Argument(help: "The document; every one when left out.")
    var document: String?

    @Option(help: "json or yaml.", transform: documentFormat)
    var output = DocumentFormat.json

    func validate() throws {
        guard let document, OutputSchema.json(document) == nil else { return }
        let known = (OutputSchema.documents.map(\.name) + ["config"]).joined(separator: ", ")
        throw ValidationError("There is no document '\(Redactor.scrub(document))'. Known: \(known).")
    }

    func run() {
        guard let schema = OutputSchema.json(document) else { return }
        Terminal.print(output == .yaml ? YAMLText.render(schema) : schema.pretty)
    }
}

extension String {
    /// The text with blanks up to a width.
    fileprivate func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
