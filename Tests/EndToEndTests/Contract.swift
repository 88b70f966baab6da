// What real programs wrote as JSON, held against the schema that the program itself publishes, by a validator that others wrote.
import Diagnosis
import Foundation
import Synchronization
import Testing

/// Collects documents and has all of them judged at once: starting the validator takes longer than judging.
final class Contract: Sendable {
    private struct Document: Encodable {
        /// The name under `$defs`.
        var name: String
        var what: String
        var text: String
    }

    private let documents = Mutex<[Document]>([])

    /// Keeps a document as it came.
    /// - Parameters:
    ///   - name: as `agent schema` knows it.
    ///   - what: for a person who reads that it is wrong.
    func take(_ name: String, _ text: String, _ what: String) {
        documents.withLock { $0.append(Document(name: name, what: what, text: text)) }
    }

    /// The lines of `agent run`, each a document.
    func takeLines(_ output: String, _ what: String) {
        for line in output.split(separator: "\n") { take("state-line", String(line), what) }
    }

    /// How many documents of the name there are.
    func count(_ name: String) -> Int { documents.withLock { $0.count { $0.name == name } } }

    /// Validates everything that was taken.
    /// - Parameter mutates: also takes one key after the other away and adds unknown ones: each has to make the document wrong.
    func verify(mutates: Bool = false) async throws {
        let problems = try await problems(mutates: mutates)
        for problem in problems.prefix(30) { Issue.record("\(problem)") }
        #expect(problems.isEmpty, "\(problems.count) problems")
    }

    /// What is wrong about the documents, a line each, in the words of the validator.
    func problems(mutates: Bool = false) async throws -> [String] {
        let schema = try await Program(name: "agent").run(["schema"])
        try #require(schema.status == 0, "\(schema.errors)")
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-contract-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let taken = documents.withLock { $0 }
        let (schemaFile, documentsFile) = (folder.appendingPathComponent("schema.json"), folder.appendingPathComponent("documents.json"))
        try Data(schema.output.utf8).write(to: schemaFile)
        try JSONEncoder().encode(taken).write(to: documentsFile)
        let result = try await Program(name: "/usr/bin/python3").run(
            ["-c", Self.judge, schemaFile.path, documentsFile.path, mutates ? "mutate" : "judge"])
        try #require(result.status == 0, "python3-jsonschema is needed\n\(result.errors)")
        let lines = result.output.split(separator: "\n").map(String.init)
        try #require(!taken.isEmpty && lines.last == "judged \(taken.count)", "\(result.output.suffix(300))")
        return lines.dropLast()
    }

    /// Reads strictly: no key twice, no NaN, nothing behind the document. Prints a line a problem, and at the end how much was judged.
    private static let judge = """
        from copy import deepcopy
        from json import load, loads
        from sys import argv
        from jsonschema import Draft202012Validator as Validator
        from jsonschema.exceptions import best_match

        def once(pairs):
            keys = [key for key, _ in pairs]
            if len(keys) != len(set(keys)): raise ValueError("a key comes twice: %s" % keys)
            return dict(pairs)

        def refuse(word): raise ValueError("%s is no JSON" % word)

        def objects(value, path=()):
            if isinstance(value, dict):
                yield path, value
                for key, inner in value.items(): yield from objects(inner, path + (key,))
            if isinstance(value, list):
                for index, inner in enumerate(value): yield from objects(inner, path + (index,))

        def at(value, path):
            for step in path: value = value[step]
            return value

        schema = load(open(argv[1]))
        Validator.check_schema(schema)
        validators = {name: Validator({"$ref": "#/$defs/" + name, "$defs": schema["$defs"]}) for name in schema["$defs"]}
        whole = Validator(schema)
        count, done = 0, set()
        for item in load(open(argv[2])):
            count += 1
            name, what = item["name"], item["what"]
            try:
                document = loads(item["text"], object_pairs_hook=once, parse_constant=refuse)
            except ValueError as error:
                print("%s, %s: %s: %s" % (what, name, error, item["text"][:200].replace("\\n", " ")))
                continue
            error = best_match(validators[name].iter_errors(document))
            if error:
                print("%s, %s at %s: %s" % (what, name, error.json_path, error.message[:400].replace("\\n", " ")))
                continue
            if not whole.is_valid(document): print("%s, %s: is none of all documents" % (what, name))
            if argv[3] != "mutate": continue
            for path, value in objects(document):
                if path and path[-1] == "labels": continue
                place = (name,) + tuple("*" if isinstance(step, int) else step for step in path)
                # Of what history keeps, files of earlier versions lack some numbers.
                optional = {"tables", "readable", "writable", "owned", "row_secured"} if "reads" in value else set()
                for key in [key for key in value if key not in optional] + [None]:
                    if place + (key,) in done: continue
                    done.add(place + (key,))
                    mutant = deepcopy(document)
                    if key is None: at(mutant, path)["unknown_key"] = 1
                    else: del at(mutant, path)[key]
                    if validators[name].is_valid(mutant):
                        print("%s, %s: still fits %s at %s" % (what, name, "with another key" if key is None else "without " + key, place))
        print("judged %d" % count)
        """
}
