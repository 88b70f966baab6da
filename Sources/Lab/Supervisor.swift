// Keeps a child process for as long as the lab lives, and not a moment longer: also when the lab is killed without a chance to clean up.
import Subprocess
import Synchronization

/// A long-lived child under a small shell that watches the lab.
///
/// The shell reads a pipe whose other end only the lab holds. Its end means that the lab is gone, whatever ended it; the shell then
/// stops the child, waits for it and removes the files that must not stay behind. Should the shell itself be killed, the kernel tells the child
/// (`PR_SET_PDEATHSIG`, set by `setpriv`, which works here because the shell has one thread and stays the parent).
///
/// The shell has a session of its own: Ctrl-C at the terminal reaches the lab alone, and the lab decides the order of stopping.
final class Supervisor: Sendable {
    private let state = Mutex(State())
    private let stopRequested: AsyncStream<Void>
    private let requestStop: AsyncStream<Void>.Continuation

    private struct State {
        var ended: String?
        var lastWords = ""
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// The end of the child, in words, once it has ended: how, and the end of its log.
    var ended: String? { state.withLock { state in state.ended.map { "\($0)\n\(state.lastWords)" } } }

    /// Starts `program` under the watching shell.
    /// - Parameters:
    ///   - ending: the signal that stops the child at once; its data is thrown away, so nothing has to be saved.
    ///   - litter: files and folders that are removed after the child has ended.
    init(program: String, arguments: [String], account: String?, log: String, ending: String = "QUIT", litter: [String]) {
        (stopRequested, requestStop) = AsyncStream.makeStream(of: Void.self)
        var command = ["setpriv", "--pdeathsig", ending]
        if let account { command += ["--reuid", account, "--regid", account, "--init-groups"] }
        command += ["--", program] + arguments
        let shell = ["sh", "-c", Self.script, "lab-supervisor", log, ending, String(litter.count)] + litter + command
        // Not structured because the child outlives the call that starts it; `stop()` ends it, and so does the end of this process.
        Task { [stopRequested, self] in
            var options = PlatformOptions()
            options.createSession = true
            let ending: String
            do {
                let result = try await Subprocess.run(
                    .name("env"), arguments: Arguments(shell), platformOptions: options, input: .inputWriter,
                    output: .sequence, error: .discarded
                ) { execution in
                    // The pipe to the shell stays open while this closure runs; the end of the shell's output tells that it has
                    // ended by itself.
                    let writer = execution.standardInputWriter
                    let output = execution.standardOutput
                    await withTaskGroup(of: Void.self) { group in
                        group.addTask { for await _ in stopRequested {} }
                        group.addTask { await self.listen(to: output) }
                        await group.next()
                        try? await writer.finish()
                        group.cancelAll()
                    }
                }
                ending = "\(result.terminationStatus)"
            } catch {
                ending = "\(error)"
            }
            let waiters = self.state.withLock { state in
                state.ended = ending
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
    }

    /// The shell says nothing until the child has ended; then it repeats the end of the log, which is removed with the rest.
    private func listen(to output: SubprocessOutputSequence) async {
        do {
            for try await line in output.strings() { state.withLock { $0.lastWords = String(($0.lastWords + line + "\n").suffix(4_096)) } }
        } catch {
            // The pipe is gone: so is the shell.
        }
    }

    /// Stops the child and returns when it is gone and its litter removed.
    func stop() async {
        requestStop.finish()
        await wait()
    }

    /// Returns when the child has ended, for whatever reason.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.ended == nil { state.waiters.append(continuation) }
                return state.ended != nil
            }
            if isOver { continuation.resume() }
        }
    }

    private static let script = """
        log=$1; ending=$2; count=$3; shift 3
        litter=; while [ "$count" -gt 0 ]; do litter="$litter
        $1"; shift; count=$((count - 1)); done
        exec 3<&0
        "$@" </dev/null >>"$log" 2>&1 3<&- &
        child=$!
        { read -r _ <&3; kill -"$ending" "$child" 2>/dev/null; } &
        watcher=$!
        exec 3<&-
        wait "$child"; status=$?
        kill "$watcher" 2>/dev/null
        tail -c 2000 -- "$log"
        IFS='
        '
        for item in $litter; do rm -rf -- "$item"; done
        exit "$status"
        """
}
