// A lab for the length of a test.
import Lab

/// Starts a lab, runs `body` and stops the lab, whatever happens.
func withLab(_ options: LabOptions = LabOptions(), _ body: (Lab) async throws -> Void) async throws {
    let lab = try await Lab.start(options)
    do {
        try await body(lab)
    } catch {
        await lab.stop()
        throw error
    }
    await lab.stop()
}
