// What the image installs against what the built program is linked with.
import Foundation
import Testing

@Suite(.timeLimit(.minutes(1))) struct DeployTests {
    private static let check = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent(".ci/checks/deploy").path

    private func compare(_ program: String) async throws -> ProgramResult {
        try await Program(name: "/usr/bin/env").run(["python3", Self.check, "--packages", program])
    }

    @Test("The image has the packages of exactly the libraries that the program is linked with")
    func packages() async throws {
        let result = try await compare(Program.products.appendingPathComponent("agent").path)
        #expect(result.status == 0, "\(result.errors)")
        let other = try await compare("/bin/sh")
        #expect(other.status == 1 && other.errors.contains("libpq5 is installed"), "the comparison is awake: \(other.errors)")
    }
}
