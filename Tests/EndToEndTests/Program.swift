// Runs the built programs as a user would, and collects what they say.
import Foundation

/// One finished run of a program.
struct ProgramResult: Sendable {
    var status: Int32
    var output: String
    var errors: String
}

/// A program of this package, out of the folder that the tests were built into; or any other, by its path.
struct Program: Sendable {
    let name: String
    var environment: [String: String] = [:]

    /// The folder of the built products: that of the test bundle.
    static let products = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()

    private func process(_ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = name.hasPrefix("/") ? URL(fileURLWithPath: name) : Self.products.appendingPathComponent(name)
        process.arguments = arguments
        // Nothing of the surroundings of the test leaks in but what every program needs.
        var variables = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"]
        variables.merge(environment) { $1 }
        process.environment = variables
        process.standardInput = FileHandle.nullDevice
        return process
    }

    /// Runs to the end.
    func run(_ arguments: [String]) async throws -> ProgramResult {
        let running = try start(arguments)
        return await running.wait()
    }

    func start(_ arguments: [String]) throws -> RunningProgram {
        let process = try process(arguments)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("agent-e2e-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let output = folder.appendingPathComponent("out")
        let errors = folder.appendingPathComponent("err")
        for file in [output, errors] { _ = FileManager.default.createFile(atPath: file.path, contents: nil) }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        let (ends, end) = AsyncStream<Void>.makeStream()
        process.terminationHandler = { _ in end.finish() }
        try process.run()
        return RunningProgram(process: process, folder: folder, ends: ends)
    }
}

/// A program that runs; the test that started it waits for it or stops it.
final class RunningProgram: @unchecked Sendable {
    // Unchecked: `Process` is guarded by the single test task that owns this value.
    private let process: Process
    private let folder: URL
    private let ends: AsyncStream<Void>

    init(process: Process, folder: URL, ends: AsyncStream<Void>) {
        self.process = process
        self.folder = folder
        self.ends = ends
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: folder)
    }

    var identifier: Int32 { process.processIdentifier }
    var output: String { text("out") }
    var errors: String { text("err") }
    /// How much it has written to standard error.
    var errorBytes: UInt64 { (try? handle { try $0.seekToEnd() }) ?? 0 }
    /// What it wrote to standard error behind so many bytes.
    func errors(from offset: UInt64) -> String {
        let data = try? handle { file in
            try file.seek(toOffset: offset)
            return try file.readToEnd() ?? Data()
        }
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
    var isRunning: Bool { process.isRunning }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits for the end. A test whose time is over ends the program, so that what comes after it still runs.
    func wait() async -> ProgramResult {
        for await _ in ends {}
        if process.isRunning {
            signal(SIGKILL)
            process.waitUntilExit()
        }
        return ProgramResult(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus, output: output,
            errors: errors)
    }

    /// Asks politely and waits.
    func stop() async -> ProgramResult {
        if process.isRunning { signal(SIGTERM) }
        return await wait()
    }

    private func handle<Value>(_ body: (FileHandle) throws -> Value) throws -> Value {
        let file = try FileHandle(forReadingFrom: folder.appendingPathComponent("err"))
        defer { try? file.close() }
        return try body(file)
    }

    private func text(_ name: String) -> String {
        String(decoding: (try? Data(contentsOf: folder.appendingPathComponent(name))) ?? Data(), as: UTF8.self)
    }
}
